package main

import (
	"net/url"

	"github.com/spf13/cobra"
)

var waiverFields = []string{
	"id", "state", "dataset", "version", "path", "finding", "rule", "reason", "requested_by", "requested_at",
	"approved_by", "approved_at", "rejected_by", "rejected_at", "decision", "expires_at", "independence",
}

func (c *cli) waiverCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "waiver", Short: "Let a finding of the gate pass, by two people", Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() }}
	cmd.AddCommand(c.waiverRequest(), c.waiverList(),
		c.waiverDecide("approve", "Grant a waiver that another person asked for", false),
		c.waiverDecide("reject", "Refuse a waiver", true))
	return cmd
}

func (c *cli) waiverRequest() *cobra.Command {
	var finding, reason, expires string
	cmd := &cobra.Command{Use: "request ID@VERSION --finding F --reason R", Short: "Ask that a finding may pass", Args: exactArgs("ID@VERSION"),
		RunE: func(cmd *cobra.Command, args []string) error {
			id, version, err := parseVersioned(cmd, args[0])
			if err != nil {
				return err
			}
			if version == 0 {
				return usageError(cmd, "name the version: "+id+"@VERSION")
			}
			in := map[string]any{"dataset": id, "version": version, "finding": finding, "reason": reason}
			if expires != "" {
				in["expires_at"] = expires
			}
			answer, err := c.send(cmd, "POST", "/waivers", in)
			if err != nil {
				return err
			}
			return c.show(answer, waiverFields...)
		}}
	cmd.Flags().StringVar(&finding, "finding", "", "id of the finding, as the refusal names it")
	cmd.Flags().StringVar(&reason, "reason", "", "why the data may be registered all the same")
	cmd.Flags().StringVar(&expires, "expires", "", "end, as a date (the whole day) or RFC 3339 time (default: 90 days after the approval)")
	requireFlags(cmd, "finding", "reason")
	return cmd
}

func (c *cli) waiverList() *cobra.Command {
	var page pageFlags
	var open bool
	var id string
	cmd := &cobra.Command{Use: "list", Short: "List waivers", Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			q := page.query()
			setQuery(q, "dataset", id)
			if open {
				q.Set("open", "true")
			}
			answer, err := c.send(cmd, "GET", "/waivers?"+q.Encode(), nil)
			if err != nil {
				return err
			}
			return c.table(answer, "id", "state", "dataset", "version", "rule", "path")
		}}
	page.register(cmd)
	cmd.Flags().StringVar(&id, "dataset", "", "those of one dataset")
	cmd.Flags().BoolVar(&open, "open", false, "those that nobody has decided")
	return cmd
}

func (c *cli) waiverDecide(verb, short string, needsReason bool) *cobra.Command {
	var reason string
	cmd := &cobra.Command{Use: verb + " ID", Short: short, Args: exactArgs("ID"),
		RunE: func(cmd *cobra.Command, args []string) error {
			answer, err := c.send(cmd, "POST", "/waivers/"+url.PathEscape(args[0])+"/"+verb, map[string]string{"reason": reason})
			if err != nil {
				return err
			}
			return c.show(answer, waiverFields...)
		}}
	cmd.Flags().StringVar(&reason, "reason", "", "words of the decision")
	if needsReason {
		requireFlags(cmd, "reason")
	}
	return cmd
}
