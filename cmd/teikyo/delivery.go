package main

import (
	"net/url"

	"github.com/spf13/cobra"
)

var deliveryFields = []string{
	"id", "provision_id", "recipient_id", "destination_id", "state", "paused", "files", "files_done", "bytes", "bytes_done",
	"bytes_per_second", "seconds_left", "attempts", "last_error", "reason", "queued_at", "started_at", "ended_at",
}

func (c *cli) deliveryCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "delivery", Short: "Uploads to recipients, under way and done", Args: noArgs, RunE: showHelp}
	cmd.AddCommand(c.deliveryList(),
		c.deliveryAct("show", "GET", "", "Show a delivery and how far it has come"),
		c.deliveryAct("retry", "POST", "/retry", "Try a failed or cancelled delivery again"),
		c.deliveryAct("pause", "POST", "/pause", "Stop a delivery for now, within a second"),
		c.deliveryAct("resume", "POST", "/resume", "Let a paused delivery go on where it stopped"),
		c.deliveryCancel())
	return cmd
}

func (c *cli) deliveryList() *cobra.Command {
	var provision, recipient, destination, state string
	var page pageFlags
	cmd := &cobra.Command{Use: "list", Short: "List deliveries", Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			q := page.query()
			setQuery(q, "provision", provision)
			setQuery(q, "recipient", recipient)
			setQuery(q, "destination", destination)
			setQuery(q, "state", state)
			answer, err := c.send(cmd, "GET", "/deliveries?"+q.Encode(), nil)
			if err != nil {
				return err
			}
			return c.table(answer, "id", "provision_id", "destination_id", "state", "bytes_done", "bytes", "attempts", "last_error")
		}}
	f := cmd.Flags()
	f.StringVar(&provision, "provision", "", "those of one provision")
	f.StringVar(&recipient, "recipient", "", "those of one recipient")
	f.StringVar(&destination, "destination", "", "those to one destination")
	f.StringVar(&state, "state", "", "queued, sending, sent, confirmed, failed or cancelled")
	page.register(cmd)
	return cmd
}

func (c *cli) deliveryAct(name, method, act, short string) *cobra.Command {
	return &cobra.Command{Use: name + " ID", Short: short, Args: exactArgs("ID"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return c.callAndShow(cmd, method, "/api/v1/deliveries/"+url.PathEscape(args[0])+act, nil, deliveryFields...)
		}}
}

func (c *cli) deliveryCancel() *cobra.Command {
	var reason string
	cmd := &cobra.Command{Use: "cancel ID", Short: "End a delivery, within a second", Args: exactArgs("ID"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return c.callAndShow(cmd, "POST", "/api/v1/deliveries/"+url.PathEscape(args[0])+"/cancel",
				map[string]string{"reason": reason}, deliveryFields...)
		}}
	cmd.Flags().StringVar(&reason, "reason", "", "why, in words; it stays in the ledger")
	requireFlags(cmd, "reason")
	return cmd
}
