package main

import (
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"
)

func (c *cli) tokenCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "token", Short: "API tokens of your own account", Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() }}
	cmd.AddCommand(c.tokenCreate(),
		c.listCommand("/api/v1/tokens", "List your tokens and sessions",
			"id", "name", "kind", "created_at", "last_used", "expires_at"),
		c.tokenRevoke())
	return cmd
}

func (c *cli) tokenCreate() *cobra.Command {
	var name, expires string
	cmd := &cobra.Command{
		Use: "create", Short: "Make an API token; it is shown once", Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			in := map[string]any{"name": name}
			if expires != "" {
				life, ok := parseLife(expires)
				if !ok {
					return usageError(cmd, "--expires takes a time like 90d, 12h or 30m, not "+strconv.Quote(expires))
				}
				in["expires_in"] = int64(life.Seconds())
			}
			return c.callAndShow(cmd, "POST", "/api/v1/tokens", in, "token", "id", "name", "expires_at")
		},
	}
	cmd.Flags().StringVar(&name, "name", "", "what the token is for")
	cmd.Flags().StringVar(&expires, "expires", "", "when it ends, for example 90d (default: never by itself)")
	requireFlags(cmd, "name")
	return cmd
}

// parseLife reads a positive duration of whole seconds; besides Go's units there
// are days ("90d") and weeks ("2w").
func parseLife(text string) (time.Duration, bool) {
	for unit, size := range map[string]time.Duration{"d": 24 * time.Hour, "w": 7 * 24 * time.Hour} {
		number, found := strings.CutSuffix(text, unit)
		if !found {
			continue
		}
		n, err := strconv.Atoi(number)
		return time.Duration(n) * size, err == nil && n > 0 && n <= 3650
	}
	life, err := time.ParseDuration(text)
	return life, err == nil && life >= time.Second
}

func (c *cli) tokenRevoke() *cobra.Command {
	return &cobra.Command{
		Use: "revoke ID", Short: "Revoke one of your tokens", Args: exactArgs("ID"),
		RunE: func(cmd *cobra.Command, args []string) error {
			api, err := c.api()
			if err != nil {
				return err
			}
			if err := api.Call(cmd.Context(), "DELETE", "/api/v1/tokens/"+url.PathEscape(args[0]), nil, nil); err != nil {
				return err
			}
			c.say("revoked %s", args[0])
			return nil
		},
	}
}
