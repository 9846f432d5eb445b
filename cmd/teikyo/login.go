package main

import (
	"encoding/json"
	"errors"
	"os"

	"github.com/spf13/cobra"

	"teikyo/models"
)

func (c *cli) loginCommand() *cobra.Command {
	var email, passwordFile, name string
	cmd := &cobra.Command{
		Use: "login", Short: "Sign in to a server", Args: noArgs,
		Long: "It keeps an API token in your configuration folder, or where TEIKYO_TOKEN_FILE says.",
		RunE: func(cmd *cobra.Command, _ []string) error {
			password, err := c.readSecret(passwordFile, "password")
			if err != nil {
				return err
			}
			if name == "" {
				name = "login"
				if host, err := os.Hostname(); err == nil {
					name = "login on " + host
				}
			}
			return c.enter(cmd, "/api/v1/sessions", map[string]any{"email": email, "password": password, "name": name})
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&email, "email", "", "your e-mail address")
	flags.StringVar(&passwordFile, "password-file", "", "file with your password, - for standard input")
	flags.StringVar(&name, "name", "", "name of the new token (default: login on this machine)")
	requireFlags(cmd, "email", "password-file")
	return cmd
}

func (c *cli) logoutCommand() *cobra.Command {
	return &cobra.Command{
		Use: "logout", Short: "End the token that login made, and forget it", Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			api, err := c.api()
			if err != nil {
				return err
			}
			if cred, err := c.loadCredentials(); err != nil || cred.Token != "" && api.Token == "" {
				return errors.Join(err, models.Errorf(models.Denied, "you are signed in to %s, not to %s", cred.Server, api.Base))
			}
			// A token that the server does not know any more has ended as well.
			err = api.Call(cmd.Context(), "DELETE", "/api/v1/sessions/current", nil, nil)
			if err != nil && !models.IsKind(err, models.Denied) {
				return err
			}
			if err := c.saveCredentials(credentials{Server: api.Base}); err != nil { // the next login knows where
				return err
			}
			c.say("signed out of %s", api.Base)
			return nil
		},
	}
}

func (c *cli) whoamiCommand() *cobra.Command {
	return &cobra.Command{
		Use: "whoami", Short: "Show who is signed in", Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			api, err := c.api()
			if err != nil {
				return err
			}
			var answer json.RawMessage
			if err := api.Call(cmd.Context(), "GET", "/api/v1/sessions/current", nil, &answer); err != nil {
				return err
			}
			return c.show(answer, "id", "email", "name", "role", "recipient_id", "confirmed", "token_name", "token_expires_at")
		},
	}
}
