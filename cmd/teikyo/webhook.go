package main

import (
	"errors"
	"net/url"
	"strconv"

	"github.com/spf13/cobra"
)

var webhookFields = []string{
	"id", "url", "description", "kinds", "recipient", "state", "reason", "failing_since", "last_success", "last_error",
	"created_by", "created_at",
}

func (c *cli) webhookCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "webhook", Short: "Addresses that are told of events by signed messages", Args: noArgs, RunE: showHelp}
	cmd.AddCommand(c.webhookAdd(), c.listCommand("/api/v1/webhooks", "List webhooks", "id", "url", "state", "last_success", "last_error"),
		c.webhookAct("show", "GET", "", "Show a webhook"),
		c.webhookTest(), c.webhookRotate(),
		c.webhookAct("enable", "POST", "/enable", "Let a disabled webhook go on where it stopped"),
		c.webhookDeliveries(), c.webhookRemove())
	return cmd
}

func webhookPath(id string) string { return "/api/v1/webhooks/" + url.PathEscape(id) }

func (c *cli) webhookAdd() *cobra.Command {
	var address, description, recipient string
	var kinds []string
	cmd := &cobra.Command{Use: "add", Short: "Tell an address of what happens from now on; its secret is shown once", Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			in := map[string]any{"url": address}
			for name, value := range map[string]string{"description": description, "recipient": recipient} {
				if value != "" {
					in[name] = value
				}
			}
			if len(kinds) > 0 {
				in["kinds"] = kinds
			}
			return c.callAndShow(cmd, "POST", "/api/v1/webhooks", in, append([]string{"secret"}, webhookFields...)...)
		}}
	f := cmd.Flags()
	f.StringVar(&address, "url", "", "where messages go, https://…")
	f.StringVar(&description, "description", "", "what it is for")
	f.StringVar(&recipient, "recipient", "", "what concerns this recipient alone, as its people see it")
	f.StringSliceVar(&kinds, "kind", nil, "these alone, such as provision.issued; provision. for all that begin so")
	requireFlags(cmd, "url")
	return cmd
}

func (c *cli) webhookAct(name, method, act, short string) *cobra.Command {
	return &cobra.Command{Use: name + " ID", Short: short, Args: exactArgs("ID"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return c.callAndShow(cmd, method, webhookPath(args[0])+act, nil, webhookFields...)
		}}
}

func (c *cli) webhookTest() *cobra.Command {
	return &cobra.Command{Use: "test ID", Short: "Send a test message now", Args: exactArgs("ID"),
		RunE: func(cmd *cobra.Command, args []string) error {
			answer, err := c.send(cmd, "POST", "/webhooks/"+url.PathEscape(args[0])+"/test", nil)
			if err != nil {
				return err
			}
			var tried struct {
				Delivered bool `json:"delivered"`
			}
			if err := decodeNumbers(answer, &tried); err != nil {
				return err
			}
			if err := c.show(answer, "delivered", "status", "problem"); err != nil || tried.Delivered {
				return err
			}
			return errors.New("the test message was not delivered")
		}}
}

func (c *cli) webhookRotate() *cobra.Command {
	overlap := ""
	cmd := &cobra.Command{Use: "rotate ID", Short: "Make a new secret, shown once; the old one signs beside it for a while", Args: exactArgs("ID"),
		RunE: func(cmd *cobra.Command, args []string) error {
			in := map[string]any{}
			if overlap != "" {
				life, ok := parseLife(overlap)
				if !ok && overlap != "0" {
					return usageError(cmd, "--overlap takes a time like 24h or 7d, or 0, not "+strconv.Quote(overlap))
				}
				in["overlap"] = int64(life.Seconds())
				if overlap == "0" {
					in["overlap"] = 0
				}
			}
			return c.callAndShow(cmd, "POST", webhookPath(args[0])+"/rotate", in, "secret", "id", "url", "state")
		}}
	cmd.Flags().StringVar(&overlap, "overlap", "", "how long the old secret goes on signing (default 24h)")
	return cmd
}

func (c *cli) webhookDeliveries() *cobra.Command {
	state := ""
	var page pageFlags
	cmd := &cobra.Command{Use: "deliveries ID", Short: "List what was and is to be sent", Args: exactArgs("ID"),
		RunE: func(cmd *cobra.Command, args []string) error {
			q := page.query()
			setQuery(q, "state", state)
			answer, err := c.send(cmd, "GET", "/webhooks/"+url.PathEscape(args[0])+"/deliveries?"+q.Encode(), nil)
			if err != nil {
				return err
			}
			return c.table(answer, "id", "entry", "state", "attempts", "next_attempt", "last_error")
		}}
	cmd.Flags().StringVar(&state, "state", "", "queued, running, done, failed or cancelled")
	page.register(cmd)
	return cmd
}

func (c *cli) webhookRemove() *cobra.Command {
	return &cobra.Command{Use: "remove ID", Short: "Remove a webhook; nothing more is sent", Args: exactArgs("ID"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if _, err := c.send(cmd, "DELETE", "/webhooks/"+url.PathEscape(args[0]), nil); err != nil {
				return err
			}
			c.say("removed %s", args[0])
			return nil
		}}
}
