package main

import (
	"os"

	"github.com/spf13/cobra"
	"github.com/spf13/cobra/doc"

	"teikyo/internal/buildinfo"
	"teikyo/models"
)

// manCommand writes man pages for packagers.
func (c *cli) manCommand() *cobra.Command {
	var dir string
	cmd := &cobra.Command{Use: "man", Short: "Write the man pages into a folder", Args: noArgs, Hidden: true,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := os.MkdirAll(dir, 0o755); err != nil {
				return models.Wrap(models.Invalid, err, "the folder for the man pages cannot be made")
			}
			root := cmd.Root()
			root.DisableAutoGenTag = true // the same input gives the same pages
			header := &doc.GenManHeader{Title: "TEIKYO", Section: "1", Source: "teikyo " + buildinfo.Version()}
			if err := doc.GenManTree(root, header, dir); err != nil {
				return models.Wrap(models.Invalid, err, "the man pages cannot be written")
			}
			return nil
		}}
	cmd.Flags().StringVarP(&dir, "output", "o", "", "folder")
	requireFlags(cmd, "output")
	return cmd
}
