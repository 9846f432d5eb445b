package main

import (
	"context"

	"github.com/spf13/cobra"

	"teikyo/models"
)

func (c *cli) keyCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "key", Short: "The key-encryption key, on the server's machine", Args: noArgs, RunE: showHelp}
	settings := &settingFlags{}
	status := &cobra.Command{
		Use: "status", Short: "Show which keys wrap the files, and whether the database knows them", Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, err := settings.load(cmd)
			if err != nil {
				return err
			}
			var state keyStatus
			err = c.onServer(cmd.Context(), cfg.Config, serverWork{
				method: "GET", path: "/state", out: &state,
				alone: func(ctx context.Context, a *app) error {
					state.CurrentKEK = a.kek.CurrentID()
					state.KEKs, err = a.kekStates(ctx)
					return err
				},
			})
			if err != nil {
				return err
			}
			return c.printKeyStatus(state)
		},
	}
	settings.addData(status)
	cmd.AddCommand(status)
	return cmd
}

// keyStatus is the part of serverState that the command shows.
type keyStatus struct {
	CurrentKEK string     `json:"current_kek"`
	KEKs       []kekState `json:"keks"`
}

func (c *cli) printKeyStatus(state keyStatus) error {
	answer, err := jsonText(map[string]any{"items": state.KEKs})
	if err != nil {
		return err
	}
	if len(state.KEKs) == 0 {
		return models.Errorf(models.NotFound, "there is no key yet; start the server once")
	}
	return c.table(answer, "id", "check_value", "current", "recorded")
}
