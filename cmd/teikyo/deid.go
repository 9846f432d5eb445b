package main

import "github.com/spf13/cobra"

func (c *cli) deidCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use: "deid", Short: "De-identification: changing files, keys of domains, figures of risk", Args: noArgs, RunE: showHelp,
	}
	cmd.AddCommand(c.deidApply(), c.deidRisk(), c.deidKeyCommand())
	return cmd
}
