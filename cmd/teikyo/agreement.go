package main

import (
	"net/url"
	"path/filepath"

	"github.com/spf13/cobra"

	"teikyo/models"
)

var agreementFields = []string{
	"id", "recipient_id", "number", "document_name", "document_sha256", "purposes", "methods", "classes",
	"handlers", "places", "valid_from", "valid_until", "review_at", "state", "end_reason",
}

func (c *cli) agreementCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "agreement", Short: "Contracts with organisations", Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() }}
	cmd.AddCommand(c.agreementAdd(), c.agreementEnd(), c.agreementList(), c.agreementShow())
	return cmd
}

type agreementFlags struct {
	number, document, from, until, review        string
	purposes, methods, classes, handlers, places []string
}

func (a *agreementFlags) register(cmd *cobra.Command) {
	f := cmd.Flags()
	f.StringVar(&a.number, "number", "", "number of the agreement")
	f.StringVar(&a.document, "document", "", "file with the agreement")
	f.StringVar(&a.from, "from", "", "first day (2026-04-01)")
	f.StringVar(&a.until, "until", "", "last day (2027-03-31)")
	f.StringVar(&a.review, "review", "", "day of the next review")
	f.StringSliceVar(&a.purposes, "purpose", nil, "purpose: "+models.JoinCodes(models.Purposes()))
	f.StringSliceVar(&a.methods, "method", nil, "method: "+models.JoinCodes(models.Methods()))
	f.StringSliceVar(&a.classes, "class", nil, "data class: "+models.JoinCodes(models.DataClasses()))
	f.StringArrayVar(&a.handlers, "handler", nil, "who handles the data")
	f.StringArrayVar(&a.places, "place", nil, "place of use")
}

func (c *cli) agreementAdd() *cobra.Command {
	var a agreementFlags
	cmd := &cobra.Command{Use: "add RECIPIENT", Short: "Enter an agreement", Args: exactArgs("RECIPIENT"),
		RunE: func(cmd *cobra.Command, args []string) error {
			document, err := readFileLimited(a.document, 1<<20)
			if err != nil {
				return models.Wrap(models.Invalid, err, "the document cannot be read from "+a.document)
			}
			answer, err := c.send(cmd, "POST", "/agreements", map[string]any{
				"recipient_id": args[0], "number": a.number, "document_name": filepath.Base(a.document), "document": document,
				"purposes": a.purposes, "methods": a.methods, "classes": a.classes, "handlers": a.handlers, "places": a.places,
				"from": a.from, "until": a.until, "review": a.review,
			})
			if err != nil {
				return err
			}
			return c.show(answer, agreementFields...)
		}}
	a.register(cmd)
	requireFlags(cmd, "number", "document", "purpose", "method", "class", "from", "until")
	return cmd
}

func (c *cli) agreementEnd() *cobra.Command {
	var reason string
	cmd := &cobra.Command{Use: "end ID", Short: "End an agreement early", Args: exactArgs("ID"),
		RunE: func(cmd *cobra.Command, args []string) error {
			answer, err := c.send(cmd, "POST", "/agreements/"+url.PathEscape(args[0])+"/end", map[string]string{"reason": reason})
			if err != nil {
				return err
			}
			return c.show(answer, agreementFields...)
		}}
	cmd.Flags().StringVar(&reason, "reason", "", "why, in words; it stays in the ledger")
	requireFlags(cmd, "reason")
	return cmd
}

func (c *cli) agreementList() *cobra.Command {
	var recipientID string
	var page pageFlags
	cmd := &cobra.Command{Use: "list", Short: "List agreements", Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			q := page.query()
			setQuery(q, "recipient", recipientID)
			answer, err := c.send(cmd, "GET", "/agreements?"+q.Encode(), nil)
			if err != nil {
				return err
			}
			return c.table(answer, "id", "recipient_id", "number", "state", "valid_until")
		}}
	cmd.Flags().StringVar(&recipientID, "recipient", "", "those of one organisation")
	page.register(cmd)
	return cmd
}

func (c *cli) agreementShow() *cobra.Command {
	return &cobra.Command{Use: "show ID", Short: "Show an agreement", Args: exactArgs("ID"),
		RunE: func(cmd *cobra.Command, args []string) error {
			answer, err := c.send(cmd, "GET", "/agreements/"+url.PathEscape(args[0]), nil)
			if err != nil {
				return err
			}
			return c.show(answer, agreementFields...)
		}}
}
