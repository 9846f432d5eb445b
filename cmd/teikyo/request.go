package main

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/url"
	"strconv"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"teikyo/models"
)

var requestFields = []string{
	"id", "state", "dataset", "version", "path", "recipient", "agreement", "key", "purpose", "words", "duo", "basis",
	"method", "destination", "items", "files", "bytes", "until", "notice", "requested_by", "expires_at",
	"decided_by", "reason", "independence", "provision_id",
}

func (c *cli) requestCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "request", Short: "Ask that data be provided, and decide about it", Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() }}
	cmd.AddCommand(c.requestCreate(), c.requestResubmit(), c.requestList(), c.requestShow(), c.requestComment(),
		c.requestEnd("return", "Give a request back to be changed", true),
		c.requestEnd("withdraw", "Take a request back", false),
		c.requestDecide("approve", "Approve requests, which makes their provisions", false),
		c.requestDecide("reject", "Reject requests", true))
	return cmd
}

// draftFlags are what somebody asks for.
type draftFlags struct {
	dataset, path, agreement, purpose, words, method, key, destination, until, basis string
	recipients, duo, refs                                                            []string
}

func (d *draftFlags) register(cmd *cobra.Command) {
	f := cmd.Flags()
	f.StringVar(&d.dataset, "dataset", "", "dataset ID or ID@VERSION (default: the newest version)")
	f.StringSliceVar(&d.recipients, "recipient", nil, "recipient ID; may be given again")
	f.StringVar(&d.path, "path", "", "pattern that chooses a part of the version (claims/**, 2024/*.csv)")
	f.StringVar(&d.agreement, "agreement", "", "agreement, by id or number (default: the only one that fits)")
	f.StringVar(&d.purpose, "purpose", "", "purpose: "+models.JoinCodes(models.Purposes()))
	f.StringVar(&d.words, "words", "", "what the data is for, in the recipient's own words")
	f.StringVar(&d.method, "method", "", "method: "+models.JoinCodes(models.Methods()))
	f.StringVar(&d.key, "key", "", "recipient key, by fingerprint or id (default: the only usable one)")
	f.StringVar(&d.destination, "destination", "", "destination of an upload")
	f.StringVar(&d.until, "until", "", "last day (2027-03-31)")
	f.StringVar(&d.basis, "basis", "", "basis: "+models.JoinCodes(models.Bases()))
	f.StringSliceVar(&d.duo, "duo", nil, "GA4GH DUO code (DUO:0000042)")
	f.StringArrayVar(&d.refs, "ref", nil, "outside number, NAME=VALUE (contract, ethics approval, invoice)")
}

// body is the draft for the API, without a recipient.
func (d *draftFlags) body(cmd *cobra.Command) (map[string]any, error) {
	id, version, found := strings.Cut(d.dataset, "@")
	in := map[string]any{
		"dataset": id, "path": d.path, "agreement": d.agreement, "purpose": d.purpose, "words": d.words,
		"method": d.method, "key": d.key, "destination": d.destination, "until": d.until, "basis": d.basis, "duo": d.duo,
	}
	if found {
		n, err := strconv.Atoi(strings.TrimPrefix(version, "v"))
		if err != nil || n < 1 {
			return nil, usageError(cmd, fmt.Sprintf("--dataset %q is not ID@VERSION", d.dataset))
		}
		in["version"] = n
	}
	refs := []map[string]string{}
	for _, ref := range d.refs {
		name, value, ok := strings.Cut(ref, "=")
		if !ok {
			return nil, usageError(cmd, fmt.Sprintf("--ref %q is not NAME=VALUE", ref))
		}
		refs = append(refs, map[string]string{"name": name, "value": value})
	}
	in["references"] = refs
	return in, nil
}

func (c *cli) requestCreate() *cobra.Command {
	var d draftFlags
	var table string
	var dryRun bool
	cmd := &cobra.Command{Use: "create", Short: "Ask that a version be provided to recipients", Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			common, err := d.body(cmd)
			if err != nil {
				return err
			}
			drafts := []map[string]any{}
			for _, id := range d.recipients {
				one := maps.Clone(common)
				one["recipient"] = id
				drafts = append(drafts, one)
			}
			if table != "" {
				rows, err := draftsFromCSV(table, common)
				if err != nil {
					return err
				}
				drafts = append(drafts, rows...)
			}
			switch {
			case len(drafts) == 0:
				return usageError(cmd, "--recipient or --from-csv is missing")
			case len(drafts) == 1 && table == "":
				return c.createOne(cmd, drafts[0], dryRun)
			default:
				return c.createMany(cmd, drafts, dryRun)
			}
		}}
	d.register(cmd)
	cmd.Flags().StringVar(&table, "from-csv", "", "file with a recipient a line; its columns win over the flags")
	cmd.Flags().BoolVar(&dryRun, "dry-run", false, "say what would be provided and store nothing")
	return cmd
}

func (c *cli) createOne(cmd *cobra.Command, draft map[string]any, dryRun bool) error {
	path, fields := "/requests", requestFields
	if dryRun {
		path, fields = "/requests/preview", append([]string{"title", "class", "notice_published"}, requestFields...)
	}
	answer, err := c.send(cmd, "POST", path, draft)
	if err != nil {
		return err
	}
	if !dryRun {
		c.say("next: another person approves it (teikyo request approve ID --reason R)")
	}
	return c.show(answer, fields...)
}

func (c *cli) createMany(cmd *cobra.Command, drafts []map[string]any, dryRun bool) error {
	answer, err := c.send(cmd, "POST", "/requests/batch", map[string]any{"requests": drafts, "dry_run": dryRun})
	if err != nil {
		return err
	}
	names := make([]string, len(drafts))
	for i, d := range drafts {
		names[i], _ = d["recipient"].(string)
	}
	return c.outcomes(answer, names, "id", "files", "bytes", "until", "notice_published")
}

// outcomes prints a result for each of several things. Some failed: exit 3; all
// of them: exit 1.
func (c *cli) outcomes(answer json.RawMessage, names []string, fields ...string) error {
	var list struct {
		Items []struct {
			Result map[string]any `json:"result"`
			Error  *struct {
				Detail string `json:"detail"`
			} `json:"error"`
		} `json:"items"`
	}
	if err := decodeNumbers(answer, &list); err != nil {
		return err
	}
	failed := 0
	for _, item := range list.Items {
		if item.Error != nil {
			failed++
		}
	}
	if c.json {
		if err := c.printRaw(answer); err != nil {
			return err
		}
	} else {
		w := tabwriter.NewWriter(c.out, 0, 0, 2, ' ', 0)
		for i, item := range list.Items {
			cells := []string{names[i]}
			if item.Error != nil {
				cells = append(cells, "failed: "+item.Error.Detail)
			}
			for _, f := range fields {
				if text := fieldText(item.Result, f); text != "" {
					cells = append(cells, strings.ReplaceAll(f, "_", " ")+" "+text)
				}
			}
			for i := range cells {
				cells[i] = printable(cells[i])
			}
			fmt.Fprintln(w, strings.Join(cells, "\t"))
		}
		if err := w.Flush(); err != nil {
			return err
		}
	}
	return c.outcome(failed, len(list.Items))
}

func (c *cli) outcome(failed, total int) error {
	if failed == 0 {
		return nil
	}
	code := 3
	if failed == total {
		code = 1
	}
	msg := ""
	if !c.json { // the document above says it already
		msg = fmt.Sprintf("%d of %d failed", failed, total)
	}
	return &exitWith{code: code, msg: msg}
}

func (c *cli) requestResubmit() *cobra.Command {
	var d draftFlags
	cmd := &cobra.Command{Use: "resubmit ID", Short: "Change a returned request and submit it again", Args: exactArgs("ID"),
		RunE: func(cmd *cobra.Command, args []string) error {
			draft, err := d.body(cmd)
			if err != nil {
				return err
			}
			if len(d.recipients) > 1 {
				return usageError(cmd, "a request has one recipient")
			}
			draft["recipient"] = strings.Join(d.recipients, "")
			answer, err := c.send(cmd, "PUT", "/requests/"+url.PathEscape(args[0]), draft)
			if err != nil {
				return err
			}
			return c.show(answer, requestFields...)
		}}
	d.register(cmd)
	return cmd
}

func (c *cli) requestList() *cobra.Command {
	var state, recipientID, dataset string
	var page pageFlags
	cmd := &cobra.Command{Use: "list", Short: "List requests, the newest first", Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			q := page.query()
			setQuery(q, "state", state)
			setQuery(q, "recipient", recipientID)
			setQuery(q, "dataset", dataset)
			answer, err := c.send(cmd, "GET", "/requests?"+q.Encode(), nil)
			if err != nil {
				return err
			}
			return c.table(answer, "id", "state", "dataset", "version", "recipient")
		}}
	cmd.Flags().StringVar(&state, "state", "", "those in one state (submitted, returned, withdrawn, approved, rejected)")
	cmd.Flags().StringVar(&recipientID, "recipient", "", "those for one recipient")
	cmd.Flags().StringVar(&dataset, "dataset", "", "those for one dataset")
	page.register(cmd)
	return cmd
}

func (c *cli) requestShow() *cobra.Command {
	return &cobra.Command{Use: "show ID", Short: "Show a request with its remarks", Args: exactArgs("ID"),
		RunE: func(cmd *cobra.Command, args []string) error {
			answer, err := c.send(cmd, "GET", "/requests/"+url.PathEscape(args[0]), nil)
			if err != nil {
				return err
			}
			return c.show(answer, append(requestFields, "references", "frozen", "comments")...)
		}}
}

func (c *cli) requestComment() *cobra.Command {
	var text string
	cmd := &cobra.Command{Use: "comment ID [TEXT]", Short: "Add a remark to a request", Args: minArgs(1, "ID"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if text == "" {
				text = strings.Join(args[1:], " ")
			}
			answer, err := c.send(cmd, "POST", "/requests/"+url.PathEscape(args[0])+"/comments", map[string]string{"text": text})
			if err != nil {
				return err
			}
			return c.show(answer, "user", "text", "at")
		}}
	cmd.Flags().StringVar(&text, "text", "", "the remark")
	return cmd
}

func (c *cli) requestEnd(verb, short string, needsReason bool) *cobra.Command {
	var reason string
	cmd := &cobra.Command{Use: verb + " ID", Short: short, Args: exactArgs("ID"),
		RunE: func(cmd *cobra.Command, args []string) error {
			answer, err := c.send(cmd, "POST", "/requests/"+url.PathEscape(args[0])+"/"+verb, map[string]string{"reason": reason})
			if err != nil {
				return err
			}
			return c.show(answer, requestFields...)
		}}
	cmd.Flags().StringVar(&reason, "reason", "", "why, in words; it stays in the ledger")
	if needsReason {
		requireFlags(cmd, "reason")
	}
	return cmd
}

// requestDecide is approve or reject, for one or many requests.
func (c *cli) requestDecide(verb, short string, needsReason bool) *cobra.Command {
	var reason string
	cmd := &cobra.Command{Use: verb + " ID…", Short: short, Args: minArgs(1, "ID"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) > 1 {
				answer, err := c.send(cmd, "POST", "/requests/"+verb, map[string]any{"ids": args, "reason": reason})
				if err != nil {
					return err
				}
				return c.outcomes(answer, args, "state", "provision.id", "provision.number")
			}
			answer, err := c.send(cmd, "POST", "/requests/"+url.PathEscape(args[0])+"/"+verb, map[string]string{"reason": reason})
			if err != nil {
				return err
			}
			return c.show(answer, "id", "state", "provision.id", "provision.number", "provision.until", "provision.ledger_index", "independence")
		}}
	cmd.Flags().StringVar(&reason, "reason", "", "why, in words; it stays in the ledger")
	if needsReason {
		requireFlags(cmd, "reason")
	}
	return cmd
}
