package main

import (
	"strings"

	"github.com/spf13/cobra"
)

func (c *cli) datasetRecheck() *cobra.Command {
	var profile, reason string
	var list bool
	cmd := &cobra.Command{
		Use: "recheck ID@VERSION (--reason R | --list)", Short: "Let the de-identification gate look at a registered version again",
		Long: `Let the de-identification gate look at a registered version again, under a newer
profile, in the background. --list shows what came of it; the outcome is in the
ledger too. A recheck changes nothing about the version: withdraw or recall it when
something was found that must not be there.`,
		Args: exactArgs("ID@VERSION"),
		RunE: func(cmd *cobra.Command, args []string) error {
			id, version, err := parseVersioned(cmd, args[0])
			if err != nil {
				return err
			}
			switch {
			case version == 0:
				return usageError(cmd, "name the version: "+id+"@VERSION")
			case list == (reason != ""):
				return usageError(cmd, "give either --reason or --list")
			}
			path := strings.TrimPrefix(versionPath(id, version), "/api/v1") + "/rechecks"
			if list {
				answer, err := c.send(cmd, "GET", path, nil)
				if err != nil {
					return err
				}
				return c.table(answer, "id", "profile", "state", "verdicts", "requested_at", "done_at")
			}
			answer, err := c.send(cmd, "POST", path, map[string]string{"profile": profile, "reason": reason})
			if err != nil {
				return err
			}
			return c.show(answer, "id", "dataset", "version", "profile", "profile_sha256", "state", "requested_at")
		},
	}
	cmd.Flags().StringVar(&profile, "profile", "", "de-identification profile of the server (default the version's own, as it stands now)")
	cmd.Flags().StringVar(&reason, "reason", "", "why; it stays in the ledger")
	cmd.Flags().BoolVar(&list, "list", false, "show the rechecks of the version and their outcome")
	return cmd
}
