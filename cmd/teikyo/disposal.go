package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/url"
	"strings"

	"github.com/spf13/cobra"

	"teikyo/disposal"
	"teikyo/models"
)

// openDisposals makes the use cases of disposal and goes on with what was
// confirmed before the process stopped.
func (a *app) openDisposals() {
	a.disposals = &disposal.Service{
		Store: a.db, Objects: a.objects, People: a.access, Receipts: a.db, Keys: a.keys, Organisation: a.cfg.Issuer.Name,
		Now: a.clock.Now, Rand: a.rand, Zone: a.zone, Alone: !a.db.Shared(),
		Failed: func(err error) { a.log.Error("disposal", "error", err) },
	}
	a.loops = append(a.loops, a.disposals.Run)
}

var disposalFields = []string{
	"id", "kind", "year", "state", "reason", "proposed_by", "proposed_at", "decided_by", "decided_at", "decision", "independence", "finished_at",
	"impact.item", "impact.provisions", "impact.shared_files",
}

func (c *cli) disposalCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "disposal", Short: "Destroy what must not be kept, by two people", Args: noArgs, RunE: showHelp}
	cmd.AddCommand(c.disposalList(), c.disposalPropose(), c.disposalShow(), c.disposalHold(),
		c.disposalDecide("confirm", "Let what another person proposed be destroyed; it cannot be undone", false),
		c.disposalDecide("reject", "Refuse a disposal, or take it back", true), c.disposalCertificate())
	return cmd
}

func (c *cli) datasetDestroy() *cobra.Command {
	var reason string
	cmd := &cobra.Command{
		Use: "destroy ID@VERSION --reason R", Short: "Propose that the contents and keys of a version be destroyed", Args: exactArgs("ID@VERSION"),
		Long: `Propose that the contents of a version and the keys to them be destroyed. An
independent second person confirms it (teikyo disposal confirm); from then on
nothing of it can be fetched or opened here. Ledger entries, digests and the
documents of its parcels stay. Contents that another version has, too, stay until
that one is destroyed.`,
		RunE: func(cmd *cobra.Command, args []string) error {
			id, version, err := parseVersioned(cmd, args[0])
			if err != nil {
				return err
			}
			if version == 0 {
				return usageError(cmd, "name the version: "+id+"@VERSION")
			}
			return c.propose(cmd, strings.TrimPrefix(versionPath(id, version), "/api/v1")+"/destroy", reason)
		}}
	cmd.Flags().StringVar(&reason, "reason", "", "why; it stays in the ledger")
	requireFlags(cmd, "reason")
	return cmd
}

func (c *cli) ledgerRedactCommand() *cobra.Command {
	var reason string
	cmd := &cobra.Command{
		Use: "redact INDEX --reason R", Short: "Propose that the details of an entry be removed", Args: exactArgs("INDEX"),
		Long: `Propose that the details of an entry be removed, once its retention has ended. An
independent second person confirms it (teikyo disposal confirm). The entry itself,
its proof and every receipt stay, and ledger verify says how many are redacted.`,
		RunE: func(cmd *cobra.Command, args []string) error {
			if !isIndex(args[0]) {
				return usageError(cmd, fmt.Sprintf("%q is no index of an entry; it is a number from 0", args[0]))
			}
			return c.propose(cmd, "/ledger/entries/"+args[0]+"/redact", reason)
		}}
	cmd.Flags().StringVar(&reason, "reason", "", "why; it stays in the ledger for ever, so name nobody")
	requireFlags(cmd, "reason")
	return cmd
}

func (c *cli) propose(cmd *cobra.Command, path, reason string) error {
	answer, err := c.send(cmd, "POST", path, map[string]string{"reason": reason})
	if err != nil {
		return err
	}
	var d struct {
		ID string `json:"id"`
	}
	if err := decodeNumbers(answer, &d); err != nil {
		return err
	}
	c.say("another person confirms it: teikyo disposal confirm %s", d.ID)
	return c.show(answer, disposalFields...)
}

func (c *cli) disposalList() *cobra.Command {
	var page pageFlags
	var state, year string
	cmd := &cobra.Command{Use: "list", Short: "List disposals, or with --year what is due", Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if year != "" {
				return c.disposalDue(cmd, year)
			}
			q := page.query()
			setQuery(q, "state", state)
			answer, err := c.send(cmd, "GET", "/disposals?"+q.Encode(), nil)
			if err != nil {
				return err
			}
			return c.table(answer, "id", "kind", "year", "state", "proposed_at", "reason")
		}}
	page.register(cmd)
	cmd.Flags().StringVar(&year, "year", "", "what is due by the end of this year")
	cmd.Flags().StringVar(&state, "state", "", "those in one state: proposed, confirmed, done, rejected")
	return cmd
}

func (c *cli) disposalShow() *cobra.Command {
	return &cobra.Command{Use: "show ID", Short: "Show a disposal and what is in it", Args: exactArgs("ID"),
		RunE: func(cmd *cobra.Command, args []string) error {
			path := "/disposals/" + url.PathEscape(args[0])
			answer, err := c.send(cmd, "GET", path, nil)
			if err != nil {
				return err
			}
			items, err := c.allItems(cmd, path+"/items")
			if err != nil {
				return err
			}
			if c.json {
				var whole map[string]any
				if err := decodeNumbers(answer, &whole); err != nil {
					return err
				}
				whole["items"] = items
				c.printJSON(whole)
				return nil
			}
			if err := c.show(answer, disposalFields...); err != nil {
				return err
			}
			list, err := json.Marshal(map[string]any{"items": items})
			if err != nil {
				return err
			}
			fmt.Fprintln(c.out)
			return c.table(list, "number", "item", "due", "done", "held_reason")
		}}
}

// allItems reads every page of a list.
func (c *cli) allItems(cmd *cobra.Command, path string) ([]json.RawMessage, error) {
	items := []json.RawMessage{}
	q := url.Values{"limit": {fmt.Sprint(models.MaxPage)}}
	for {
		answer, err := c.send(cmd, "GET", path+"?"+q.Encode(), nil)
		if err != nil {
			return nil, err
		}
		var page struct {
			Items []json.RawMessage `json:"items"`
			Next  string            `json:"next_cursor"`
		}
		if err := decodeNumbers(answer, &page); err != nil {
			return nil, err
		}
		items = append(items, page.Items...)
		if page.Next == "" {
			return items, nil
		}
		q.Set("cursor", page.Next)
	}
}

func (c *cli) disposalHold() *cobra.Command {
	var reason string
	cmd := &cobra.Command{Use: "hold ID NUMBER --reason R", Short: "Keep one thing of a proposed disposal back", Args: exactArgs("ID", "NUMBER"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if !isIndex(args[1]) {
				return usageError(cmd, fmt.Sprintf("%q is no number of an item; see teikyo disposal show %s", args[1], args[0]))
			}
			answer, err := c.send(cmd, "POST", "/disposals/"+url.PathEscape(args[0])+"/items/"+args[1]+"/hold", map[string]string{"reason": reason})
			if err != nil {
				return err
			}
			return c.show(answer, "number", "item", "due", "held_by", "held_at", "held_reason")
		}}
	cmd.Flags().StringVar(&reason, "reason", "", "why it must stay, for example a lawsuit")
	requireFlags(cmd, "reason")
	return cmd
}

func (c *cli) disposalDecide(verb, short string, needsReason bool) *cobra.Command {
	var reason string
	cmd := &cobra.Command{Use: verb + " ID", Short: short, Args: exactArgs("ID"),
		RunE: func(cmd *cobra.Command, args []string) error {
			answer, err := c.send(cmd, "POST", "/disposals/"+url.PathEscape(args[0])+"/"+verb, map[string]string{"reason": reason})
			if err != nil {
				return err
			}
			return c.show(answer, disposalFields...)
		}}
	cmd.Flags().StringVar(&reason, "reason", "", "words of the decision")
	if needsReason {
		requireFlags(cmd, "reason")
	}
	return cmd
}

func (c *cli) disposalCertificate() *cobra.Command {
	var out, format, lang string
	cmd := &cobra.Command{
		Use: "certificate ID -o FILE", Short: "Get the certificate of destruction", Args: exactArgs("ID"),
		Long: `Get the certificate of destruction. As JSON it comes with FILE.sig, an OpenSSH
signature in the namespace teikyo-certificate by the issuer's manifest key, and
FILE.tlog-proof, the receipt of the ledger entry whose leaf names the certificate's
SHA-256. As HTML it is a page to be printed and signed.`,
		RunE: func(cmd *cobra.Command, args []string) error {
			path := "/disposals/" + url.PathEscape(args[0]) + "/certificate"
			switch {
			case format == "html" && out != "":
				return c.printedCertificate(cmd.Context(), path, lang, out)
			case format == "json":
				return c.jsonCertificate(cmd, path, out)
			case format == "html":
				return usageError(cmd, "name the file for the page with -o")
			}
			return usageError(cmd, fmt.Sprintf("%q is no format; choose json or html", format))
		}}
	cmd.Flags().StringVarP(&out, "out", "o", "", "write to this file")
	cmd.Flags().StringVar(&format, "format", "json", "json or html")
	cmd.Flags().StringVar(&lang, "lang", "en", "language of the page: en or ja")
	return cmd
}

func (c *cli) jsonCertificate(cmd *cobra.Command, path, out string) error {
	answer, err := c.send(cmd, "GET", path, nil)
	if err != nil {
		return err
	}
	var cert struct {
		Certificate, Signature, Receipt string
	}
	if err := decodeNumbers(answer, &cert); err != nil {
		return err
	}
	if out != "" {
		for name, text := range map[string]string{out: cert.Certificate, out + ".sig": cert.Signature, out + ".tlog-proof": cert.Receipt} {
			if err := writeNew(name, []byte(text)); err != nil {
				return err
			}
		}
		c.say("wrote %s, %s.sig and %s.tlog-proof", out, out, out)
	}
	return c.show(answer, "id", "sha256", "entry_index")
}

// printedCertificate writes the page.
func (c *cli) printedCertificate(ctx context.Context, path, lang, out string) error {
	api, err := c.api()
	if err != nil {
		return err
	}
	resp, err := api.Do(ctx, "GET", "/api/v1"+path+"/print?lang="+url.QueryEscape(lang), nil, nil)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(io.LimitReader(resp.Body, 64<<20))
	if err != nil {
		return models.Wrap(models.Unavailable, err, "the server broke the connection; try again")
	}
	if err := writeNew(out, text); err != nil {
		return err
	}
	c.say("wrote %s", out)
	return nil
}
