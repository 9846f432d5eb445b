package main

import "github.com/spf13/cobra"

func (c *cli) deidCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use: "deid", Short: "De-identification: keys of domains, figures of risk", Args: noArgs, RunE: showHelp,
	}
	cmd.AddCommand(c.deidKeyCommand())
	return cmd
}
