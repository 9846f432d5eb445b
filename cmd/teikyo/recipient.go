package main

import (
	"encoding/json"
	"net/url"

	"github.com/spf13/cobra"
)

func (c *cli) recipientCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "recipient", Short: "Organisations that may receive data", Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() }}
	cmd.AddCommand(c.recipientApply(), c.recipientUpdate(), c.recipientApprove(), c.recipientList(), c.recipientShow(), c.recipientKeyCommand(), c.destinationCommand())
	for verb, short := range map[string]string{
		"reject":    "Answer an application with no",
		"suspend":   "Stop everything that goes to a recipient, for now",
		"reinstate": "End a suspension",
		"revoke":    "End a recipient for good",
	} {
		cmd.AddCommand(c.recipientEnd(verb, short))
	}
	return cmd
}

// send calls the API and keeps the answer's bytes.
func (c *cli) send(cmd *cobra.Command, method, path string, in any) (json.RawMessage, error) {
	api, err := c.api()
	if err != nil {
		return nil, err
	}
	var answer json.RawMessage
	err = api.Call(cmd.Context(), method, "/api/v1"+path, in, &answer)
	return answer, err
}

var recipientFields = []string{
	"id", "name", "country", "address", "representative", "email", "state", "approved_until",
	"applied_by", "decided_by", "reason", "independence",
}

// profileFlags are what is known about an organisation.
type profileFlags struct{ name, country, address, representative, email string }

func (p *profileFlags) register(cmd *cobra.Command) {
	f := cmd.Flags()
	f.StringVar(&p.name, "name", "", "name of the organisation")
	f.StringVar(&p.country, "country", "", "country, two letters (JP)")
	f.StringVar(&p.address, "address", "", "address")
	f.StringVar(&p.representative, "representative", "", "who represents it")
	f.StringVar(&p.email, "email", "", "e-mail address")
}

func (c *cli) recipientApply() *cobra.Command {
	var p profileFlags
	cmd := &cobra.Command{Use: "apply", Short: "Enter an organisation", Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			answer, err := c.send(cmd, "POST", "/recipients", map[string]string{
				"name": p.name, "country": p.country, "address": p.address, "representative": p.representative, "email": p.email,
			})
			if err != nil {
				return err
			}
			return c.show(answer, recipientFields...)
		}}
	p.register(cmd)
	requireFlags(cmd, "name", "country", "address", "representative", "email")
	return cmd
}

func (c *cli) recipientUpdate() *cobra.Command {
	var p profileFlags
	cmd := &cobra.Command{Use: "update ID", Short: "Change what is known about an organisation", Args: exactArgs("ID"),
		RunE: func(cmd *cobra.Command, args []string) error {
			in := map[string]string{}
			for name, value := range map[string]string{
				"name": p.name, "country": p.country, "address": p.address, "representative": p.representative, "email": p.email,
			} {
				if cmd.Flags().Changed(name) {
					in[name] = value
				}
			}
			answer, err := c.send(cmd, "PATCH", "/recipients/"+url.PathEscape(args[0]), in)
			if err != nil {
				return err
			}
			return c.show(answer, recipientFields...)
		}}
	p.register(cmd)
	return cmd
}

func (c *cli) recipientApprove() *cobra.Command {
	var until, reason string
	cmd := &cobra.Command{Use: "approve ID", Short: "Let an organisation receive data until a day", Args: exactArgs("ID"),
		RunE: func(cmd *cobra.Command, args []string) error {
			answer, err := c.send(cmd, "POST", "/recipients/"+url.PathEscape(args[0])+"/approve",
				map[string]string{"until": until, "reason": reason})
			if err != nil {
				return err
			}
			return c.show(answer, recipientFields...)
		}}
	cmd.Flags().StringVar(&until, "until", "", "last day (2027-03-31)")
	cmd.Flags().StringVar(&reason, "reason", "", "why, in words")
	requireFlags(cmd, "until")
	return cmd
}

func (c *cli) recipientEnd(verb, short string) *cobra.Command {
	var reason string
	cmd := &cobra.Command{Use: verb + " ID", Short: short, Args: exactArgs("ID"),
		RunE: func(cmd *cobra.Command, args []string) error {
			answer, err := c.send(cmd, "POST", "/recipients/"+url.PathEscape(args[0])+"/"+verb, map[string]string{"reason": reason})
			if err != nil {
				return err
			}
			return c.show(answer, recipientFields...)
		}}
	cmd.Flags().StringVar(&reason, "reason", "", "why, in words; it stays in the ledger")
	requireFlags(cmd, "reason")
	return cmd
}

func (c *cli) recipientList() *cobra.Command {
	var state, query string
	var page pageFlags
	cmd := &cobra.Command{Use: "list", Short: "List organisations", Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			q := page.query()
			setQuery(q, "state", state)
			setQuery(q, "q", query)
			answer, err := c.send(cmd, "GET", "/recipients?"+q.Encode(), nil)
			if err != nil {
				return err
			}
			return c.table(answer, "id", "country", "state", "approved_until", "name")
		}}
	cmd.Flags().StringVar(&state, "state", "", "applied, approved, rejected, suspended or revoked")
	cmd.Flags().StringVar(&query, "search", "", "part of name, address or e-mail address")
	page.register(cmd)
	return cmd
}

func (c *cli) recipientShow() *cobra.Command {
	return &cobra.Command{Use: "show ID", Short: "Show an organisation", Args: exactArgs("ID"),
		RunE: func(cmd *cobra.Command, args []string) error {
			answer, err := c.send(cmd, "GET", "/recipients/"+url.PathEscape(args[0]), nil)
			if err != nil {
				return err
			}
			return c.show(answer, recipientFields...)
		}}
}
