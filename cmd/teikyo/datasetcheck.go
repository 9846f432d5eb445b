package main

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"teikyo/deid"
	"teikyo/deid/profile"
	"teikyo/models"
)

// The exit codes of dataset check that are no failure of the program.
const (
	exitBlocked  = 1
	exitWarnings = 3
)

func (c *cli) datasetCheck() *cobra.Command {
	var name, page, schema string
	cmd := &cobra.Command{
		Use: "check FILE…", Short: "Let the de-identification gate look at files, offline",
		Long: "Let the de-identification gate look at files, offline: exit 0 when they pass, 3 with warnings, 1 when a finding " +
			"stops their registration.",
		Args: minArgs(1, "FILE"),
		RunE: func(cmd *cobra.Command, args []string) error {
			p, err := profile.Load(name)
			if err != nil {
				return err
			}
			files, err := localFiles(args)
			if err != nil {
				return err
			}
			text, err := readText(schema, "schema")
			if err != nil {
				return err
			}
			return c.checkFiles(cmd.Context(), files, p, text, page)
		},
	}
	cmd.Flags().StringVar(&name, "profile", "", "de-identification profile: a shipped one or a YAML file (default "+deid.ProfileJP+")")
	cmd.Flags().StringVar(&page, "html", "", "write the reports as one page into this file too")
	cmd.Flags().StringVar(&schema, "schema", "", "datapackage.json that is compared with what is found")
	return cmd
}

func (c *cli) checkFiles(ctx context.Context, files []localFile, p *deid.Profile, schema, page string) error {
	results := make([]deid.Entry, 0, len(files))
	for _, f := range files {
		report, err := checkFile(ctx, f, p)
		if err != nil {
			return err
		}
		if schema != "" {
			if report, err = deid.Compare(report, schema); err != nil {
				return err
			}
		}
		results = append(results, deid.Entry{Report: report})
		if !c.json { // the verdict stands alone on its line, for scripts
			c.sayReport(report)
		}
	}
	if err := writePage(page, results); err != nil {
		return err
	}
	return c.checked(results)
}

func (c *cli) sayReport(report deid.Report) {
	fmt.Fprintf(c.out, "%s\n", report.Verdict)
	if !c.quiet {
		fmt.Fprintln(c.out, strings.TrimRight(printableLines(report.Text()), "\n")+"\n")
	}
}

// checked ends a command with the exit code of its reports, and their JSON.
func (c *cli) checked(results []deid.Entry) error {
	code := 0
	documents := make([]json.RawMessage, 0, len(results))
	for _, r := range results {
		last := r.Report
		if r.After != nil {
			last = *r.After
		}
		code = worse(code, last)
		document, err := r.JSON()
		if err != nil {
			return err
		}
		documents = append(documents, document)
	}
	if c.json {
		c.printJSON(map[string]any{"exit": code, "files": documents})
	}
	if code != 0 {
		return &exitWith{code: code}
	}
	return nil
}

func worse(code int, r deid.Report) int {
	switch {
	case len(r.Blocking()) > 0:
		return exitBlocked
	case len(r.Warnings()) > 0 && code == 0:
		return exitWarnings
	}
	return code
}

// writePage writes the reports as a page, when a file is named.
func writePage(path string, results []deid.Entry) error {
	if path == "" {
		return nil
	}
	out, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return models.Wrap(models.Invalid, err, path+" cannot be written")
	}
	err = deid.WriteHTML(out, results)
	if closing := out.Close(); err == nil {
		err = closing
	}
	if err != nil {
		return models.Wrap(models.Full, err, path+" could not be written; is the disk full?")
	}
	return nil
}

// offlineGate is the gate of this machine: its temporary files are sealed.
func offlineGate() deid.Gate { return deid.Gate{Temp: deid.SealedTemp("", rand.Reader)} }

func checkFile(ctx context.Context, f localFile, p *deid.Profile) (deid.Report, error) {
	file, err := os.Open(f.disk)
	if err != nil {
		return deid.Report{}, cannotRead(f.disk, err)
	}
	defer file.Close()
	digest := sha256.New()
	contents := io.TeeReader(file, digest)
	report, err := offlineGate().Check(ctx, f.path, contents, p)
	if err == nil {
		_, err = io.Copy(io.Discard, contents)
	}
	if err != nil {
		return deid.Report{}, cannotRead(f.disk, err)
	}
	return report.Bind(hex.EncodeToString(digest.Sum(nil))), nil
}
