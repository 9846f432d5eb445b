package main

import (
	"fmt"
	"runtime"

	"github.com/spf13/cobra"

	"teikyo/internal/buildinfo"
)

func (c *cli) versionCommand() *cobra.Command {
	return &cobra.Command{
		Use: "version", Short: "Show the version of this program", Args: noArgs,
		RunE: func(*cobra.Command, []string) error {
			if c.json {
				c.printJSON(map[string]string{
					"version": buildinfo.Version(), "go": runtime.Version(), "system": runtime.GOOS + "/" + runtime.GOARCH,
				})
				return nil
			}
			_, err := fmt.Fprintf(c.out, "teikyo %s (%s, %s/%s)\n", buildinfo.Version(), runtime.Version(), runtime.GOOS, runtime.GOARCH)
			return err
		},
	}
}
