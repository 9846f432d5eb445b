package main

import (
	"archive/zip"
	"context"
	"io"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"teikyo/client/arrival"
	"teikyo/evidence"
	"teikyo/models"
)

func (c *cli) auditCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "audit", Short: "Draw samples of provisions and check the evidence for them", Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() }}
	cmd.AddCommand(c.auditSample(), c.auditVerify())
	return cmd
}

func (c *cli) auditSample() *cobra.Command {
	var seed, from, to, out string
	var n int
	var tests bool
	cmd := &cobra.Command{
		Use: "sample", Short: "Write the evidence for a sample of provisions", Args: noArgs,
		Long: `Write the evidence for a sample of provisions: what was asked for and approved, the
agreement, the notice of that day, what the check for identifiers found, who
approved in which role, manifest, receipt and ledger entries with their proofs.
The same seed gives the same sample. The evidence is written to a new folder, or
to one file when its name ends in .zip; teikyo audit verify checks it offline.`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			q := url.Values{"seed": {seed}, "n": {strconv.Itoa(n)}}
			setQuery(q, "from", from)
			setQuery(q, "to", to)
			setFlag(q, "tests", tests)
			return c.saveSample(cmd, "/reports/sample?"+q.Encode(), out)
		},
	}
	f := cmd.Flags()
	f.StringVar(&seed, "seed", "", "what decides the choice, for example the date and your name")
	f.IntVarP(&n, "number", "n", 0, "how many provisions, at most "+strconv.Itoa(evidence.MaxSample))
	f.StringVar(&from, "from", "", "first day (2026-04-01)")
	f.StringVar(&to, "to", "", "last day (2027-03-31)")
	f.BoolVar(&tests, "tests", false, "of the rehearsals, which are left out otherwise")
	f.StringVarP(&out, "output", "o", "", "new folder, or file that ends in .zip")
	requireFlags(cmd, "seed", "number", "output")
	return cmd
}

func (c *cli) saveSample(cmd *cobra.Command, path, out string) error {
	if strings.HasSuffix(out, ".zip") {
		return c.fetchDocument(cmd, path, "application/zip", out)
	}
	if _, err := os.Lstat(out); err == nil {
		return models.Errorf(models.Conflict, "%s is there already; choose another folder", out)
	}
	archive := out + ".zip.part"
	defer os.Remove(archive)
	quiet := *c
	quiet.json = false
	if err := quiet.fetchDocument(cmd, path, "application/zip", archive); err != nil {
		return err
	}
	if err := unpack(archive, out); err != nil {
		return err
	}
	c.say("written to %s; check it with teikyo audit verify %s", out, out)
	if c.json {
		c.printJSON(map[string]string{"folder": out})
	}
	return nil
}

// unpack writes a pack into a folder that has its name only when it is whole.
func unpack(archive, folder string) error {
	pack, err := zip.OpenReader(archive)
	if err != nil {
		return models.Wrap(models.Unavailable, err, "the evidence did not arrive whole; try again")
	}
	defer pack.Close()
	part := folder + ".part"
	if err := os.RemoveAll(part); err != nil {
		return arrival.DiskError(err, "the folder cannot be written")
	}
	if err := os.Mkdir(part, 0o700); err != nil {
		return arrival.DiskError(err, "the folder cannot be written")
	}
	root, err := os.OpenRoot(part)
	if err != nil {
		return arrival.DiskError(err, "the folder cannot be written")
	}
	defer root.Close()
	for _, f := range pack.File {
		if err := unpackFile(root, f); err != nil {
			_ = os.RemoveAll(part)
			return arrival.DiskError(err, "the evidence could not be written")
		}
	}
	return arrival.DiskError(os.Rename(part, folder), "the evidence could not be written")
}

func unpackFile(root *os.Root, f *zip.File) error {
	name := filepath.FromSlash(f.Name)
	if err := root.MkdirAll(filepath.Dir(name), 0o700); err != nil {
		return err
	}
	from, err := f.Open()
	if err != nil {
		return err
	}
	defer from.Close()
	to, err := root.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = io.Copy(to, from)
	if closeErr := to.Close(); err == nil {
		err = closeErr
	}
	return err
}

func (c *cli) auditVerify() *cobra.Command {
	var f trustFlags
	cmd := &cobra.Command{Use: "verify DIR|FILE", Short: "Check the evidence for a sample offline", Args: exactArgs("DIR|FILE"),
		RunE: func(cmd *cobra.Command, args []string) error { return c.verifySample(cmd.Context(), args[0], &f) }}
	f.register(cmd)
	return cmd
}

func (c *cli) verifySample(_ context.Context, from string, f *trustFlags) error {
	trust, _, err := c.trust(f)
	if err != nil {
		return err
	}
	var pack fs.FS
	if info, err := os.Stat(from); err != nil {
		return models.Wrap(models.NotFound, err, "there is no "+from)
	} else if info.IsDir() {
		pack = os.DirFS(from)
	} else {
		archive, err := zip.OpenReader(from)
		if err != nil {
			return models.Wrap(models.Integrity, err, from+" is no ZIP archive, or was altered")
		}
		defer archive.Close()
		pack = archive
	}
	result, err := evidence.Verify(pack, trust.Accept)
	if err != nil {
		return err
	}
	s := result.Sample
	if c.json {
		c.printJSON(map[string]any{
			"ok": true, "issuer": s.Issuer, "fingerprint": result.Issuer.Fingerprint(), "seed": s.Seed, "population": s.Population,
			"provisions": s.Chosen, "files": result.Files, "entries": result.Entries, "ledger_size": s.LedgerSize, "made_at": s.MadeAt,
		})
		return nil
	}
	for _, chosen := range s.Chosen {
		c.printLine(printable(chosen.Number + "  " + chosen.Provision + "  entry " + strconv.FormatInt(chosen.LedgerIndex, 10)))
	}
	c.say("everything holds: %d of %d provisions, %d files, %d ledger entries of %s", len(s.Chosen), s.Population, result.Files, result.Entries, s.Issuer)
	return nil
}
