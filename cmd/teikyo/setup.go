package main

import (
	"encoding/json"

	"github.com/spf13/cobra"

	"teikyo/client"
	"teikyo/internal/buildinfo"
	"teikyo/models"
)

func (c *cli) setupCommand() *cobra.Command {
	var codeFile, email, name, passwordFile string
	cmd := &cobra.Command{
		Use: "setup", Short: "Make the first administrator of a new server, and sign in", Args: noArgs,
		Long: `The server prints a one-time setup code when it starts without accounts, and
writes it to the file setup-code in its data folder.`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			code, err := c.readSecret(codeFile, "setup code")
			if err != nil {
				return err
			}
			password, err := c.readSecret(passwordFile, "password")
			if err != nil {
				return err
			}
			return c.enter(cmd, "/api/v1/setup",
				map[string]any{"code": code, "email": email, "name": name, "password": password})
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&codeFile, "code-file", "", "file with the setup code, - for standard input")
	flags.StringVar(&email, "email", "", "your e-mail address")
	flags.StringVar(&name, "name", "", "your name")
	flags.StringVar(&passwordFile, "password-file", "", "file with your new password, - for standard input")
	requireFlags(cmd, "code-file", "email", "name", "password-file")
	return cmd
}

// stranger is a client without a token: an old one must not be in the way of
// signing in again.
func (c *cli) stranger() (*client.Client, error) {
	cred, err := c.loadCredentials()
	if err != nil {
		return nil, err
	}
	base := c.serverAddress(cred)
	if base == "" {
		return nil, models.Errorf(models.Invalid, "which server? give --server URL or set TEIKYO_SERVER")
	}
	return &client.Client{Base: base, HTTP: client.DefaultHTTP(), UserAgent: "teikyo/" + buildinfo.Version()}, nil
}

// enter calls what answers with a new token, keeps it, and shows the rest.
func (c *cli) enter(cmd *cobra.Command, path string, in any) error {
	api, err := c.stranger()
	if err != nil {
		return err
	}
	var answer map[string]any
	if err := api.Call(cmd.Context(), "POST", path, in, &answer); err != nil {
		return err
	}
	token, _ := answer["token"].(string)
	if token == "" {
		return models.Errorf(models.Unavailable, "the server's answer holds no token; check its address and version")
	}
	if err := c.saveCredentials(credentials{Server: api.Base, Token: token}); err != nil {
		return err
	}
	delete(answer, "token") // it stands in the credentials, not on the terminal
	shown, err := json.Marshal(answer)
	if err != nil {
		return err
	}
	c.say("signed in to %s", api.Base)
	return c.show(shown, "user.id", "user.email", "user.name", "user.role", "expires_at")
}
