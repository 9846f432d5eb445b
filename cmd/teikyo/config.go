package main

import (
	"crypto/rand"

	"github.com/spf13/cobra"

	"teikyo/internal/clock"
	"teikyo/models"
)

func (c *cli) configCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "config", Short: "The server's settings", Args: noArgs, RunE: showHelp}
	check, show := &settingFlags{}, &settingFlags{}
	checkCmd := &cobra.Command{
		Use: "check", Short: "Say whether the settings are right, without starting anything", Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			loaded, err := check.load(cmd)
			if err != nil {
				return err
			}
			if _, err := loadCertificates(loaded.TLSCert, loaded.TLSKey); err != nil {
				return err
			}
			if err := checkKEKFiles(loaded.KEK, system{clock: clock.New(), rand: rand.Reader}); err != nil {
				return models.Wrap(models.Invalid, nil, err.Error())
			}
			if c.json {
				c.printJSON(map[string]any{"ok": true})
				return nil
			}
			c.say("the settings are right")
			return nil
		},
	}
	showCmd := &cobra.Command{
		Use: "show", Short: "Show every setting, its value and where it comes from", Args: noArgs,
		Long: "Show every setting as a configuration file that has the same effect. Secrets\nare not shown. A setting a.b is TEIKYO_A_B in the environment.",
		RunE: func(cmd *cobra.Command, _ []string) error {
			loaded, err := show.load(cmd)
			if err != nil {
				return err
			}
			if c.json {
				c.printJSON(map[string]any{"settings": loaded.Settings()})
				return nil
			}
			return loaded.Write(c.out)
		},
	}
	check.addFile(checkCmd)
	show.addFile(showCmd)
	cmd.AddCommand(checkCmd, showCmd)
	return cmd
}

func showHelp(cmd *cobra.Command, _ []string) error { return cmd.Help() }
