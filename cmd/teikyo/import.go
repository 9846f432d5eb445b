package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"teikyo/client"
	"teikyo/legacy"
	"teikyo/models"
)

func (c *cli) importCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "import", Short: "Take over an earlier register from CSV files", Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() }}
	for _, kind := range []string{"recipients", "agreements", "datasets", "provisions"} {
		cmd.AddCommand(c.importKind(kind))
	}
	return cmd
}

func (c *cli) importKind(kind string) *cobra.Command {
	var dryRun bool
	cmd := &cobra.Command{
		Use: kind + " FILE", Short: "Take over " + kind, Args: exactArgs("FILE"),
		Long: "Take over " + kind + ` of an earlier register from a CSV file (UTF-8 or CP932), a row each. The
first line names the columns in English or Japanese; docs/operations.md lists them.
Every row is taken over whole or not at all, and once: running it again changes
nothing. Exit code 3 when some rows failed.`,
		RunE: func(cmd *cobra.Command, args []string) error { return c.importFile(cmd, kind, args[0], dryRun) },
	}
	cmd.Flags().BoolVar(&dryRun, "dry-run", false, "say what would happen and store nothing")
	return cmd
}

func (c *cli) importFile(cmd *cobra.Command, kind, file string, dryRun bool) error {
	text, err := readFileLimited(file, legacy.MaxFile+1)
	if err != nil {
		return models.Wrap(models.Invalid, err, "the table cannot be read from "+file)
	}
	api, err := c.api()
	if err != nil {
		return err
	}
	q := url.Values{"file": {filepath.Base(file)}}
	setFlag(q, "dry_run", dryRun)
	patient := *api // thousands of rows take their time
	if transport, ok := http.DefaultTransport.(*http.Transport); ok {
		transport = transport.Clone()
		transport.ResponseHeaderTimeout = answerTime
		defer transport.CloseIdleConnections()
		patient.HTTP = &http.Client{Transport: transport, CheckRedirect: client.DefaultHTTP().CheckRedirect}
	}
	var answer json.RawMessage
	header := http.Header{"Content-Type": {"text/csv"}}
	if err := patient.Send(cmd.Context(), "POST", "/api/v1/import/"+kind+"?"+q.Encode(), header, bytes.NewReader(text), &answer); err != nil {
		return err
	}
	return c.importOutcome(file, answer)
}

// importOutcome prints what became of each row that did not simply work, with
// file, line and column, and the counts.
func (c *cli) importOutcome(file string, answer json.RawMessage) error {
	var list struct {
		Rows, Imported, Unchanged, Failed int
		DryRun                            bool `json:"dry_run"`
		Items                             []struct {
			Line                          int
			Reference, Status, ID, Column string
			Error                         *struct{ Detail string }
		}
	}
	if err := decodeNumbers(answer, &list); err != nil {
		return err
	}
	if c.json {
		if err := c.printRaw(answer); err != nil {
			return err
		}
		return c.outcome(list.Failed, list.Rows)
	}
	for _, item := range list.Items {
		where := fmt.Sprintf("%s:%d", filepath.Base(file), item.Line)
		said := strings.TrimSpace(item.Status + " " + item.ID)
		if item.Error != nil {
			said = "failed: " + strings.TrimSpace(item.Column+" "+item.Error.Detail)
		}
		c.printLine(printable(where + "  " + item.Reference + "  " + said))
	}
	did := "imported"
	if list.DryRun {
		did = "ready to import"
	}
	c.say("%d rows: %d %s, %d unchanged, %d failed", list.Rows, list.Imported, did, list.Unchanged, list.Failed)
	return c.outcome(list.Failed, list.Rows)
}
