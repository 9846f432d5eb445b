package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"teikyo/deid"
	"teikyo/deid/change"
	"teikyo/deid/profile"
	"teikyo/models"
	"teikyo/rekey"
)

// transformFlags say how files are changed.
type transformFlags struct {
	profile, domain, keys, identity string
	destroy                         bool
}

func (f *transformFlags) register(cmd *cobra.Command) {
	cmd.Flags().StringVar(&f.domain, "domain", "", "the domain in which pseudonyms stay the same: a recipient, a project, a release")
	cmd.Flags().StringVar(&f.keys, "keys", "", "file with the keys of domains and the list of objections (teikyo deid key export)")
	cmd.Flags().StringVarP(&f.identity, "identity", "i", "", "your secret key, which opens --keys")
	cmd.Flags().BoolVar(&f.destroy, "destroy-key", false, "use a fresh key and forget it at the end: nobody can make these pseudonyms again")
}

// changer makes what changes values.
func (f *transformFlags) changer(ctx context.Context, c *cli, p *deid.Profile) (*change.Changer, error) {
	if p.Nothing {
		return nil, models.Errorf(models.Invalid, "the profile %s changes nothing; name another one", p.Name)
	}
	switch {
	case f.destroy && f.keys != "":
		return nil, models.Errorf(models.Invalid, "--keys and --destroy-key exclude each other")
	case f.destroy:
		return change.New(ctx, p, &rekey.Once{Rand: rand.Reader}, nil, f.domain)
	case f.keys == "":
		return change.New(ctx, p, nil, nil, f.domain)
	}
	sealed, err := readFileLimited(f.keys, 64<<20)
	if err != nil {
		return nil, models.Wrap(models.Invalid, err, "the keys cannot be read from "+f.keys)
	}
	id, err := c.readIdentity(f.identity)
	if err != nil {
		return nil, err
	}
	bundle, err := rekey.OpenBundle(sealed, id)
	if err != nil {
		return nil, err
	}
	domain := f.domain
	if known := bundle.Domains(); domain == "" && len(known) == 1 {
		domain = known[0]
	}
	var objections change.Objections
	if o := bundle.Objections(); o != nil {
		objections = o
	}
	return change.New(ctx, p, bundle, objections, domain)
}

func (c *cli) deidApply() *cobra.Command {
	var f transformFlags
	var out, page string
	cmd := &cobra.Command{
		Use: "apply FILE|DIR…", Short: "Change files as a profile says, offline",
		Long: `Change files as a profile says, offline, and let the gate look at them before and
after. The files in the folder -o have the paths of the originals. Pseudonyms need
a key: --keys names a file with the key of a domain (teikyo deid key), and
--destroy-key makes one that is forgotten at the end. Exit 0 when the results pass
the gate, 3 with warnings, 1 when something still stops their registration.`,
		Args: minArgs(1, "FILE"),
		RunE: func(cmd *cobra.Command, args []string) error {
			p, err := profile.Load(f.profile)
			if err != nil {
				return err
			}
			files, err := localFiles(args)
			if err != nil {
				return err
			}
			t, err := f.changer(cmd.Context(), c, p)
			if err != nil {
				return err
			}
			results, _, err := c.applyFiles(cmd.Context(), files, t, out)
			if err != nil {
				return err
			}
			if err := writePage(page, results); err != nil {
				return err
			}
			return c.checked(results)
		},
	}
	cmd.Flags().StringVar(&f.profile, "profile", "", "de-identification profile: a shipped one or a YAML file (default "+deid.ProfileJP+")")
	cmd.Flags().StringVarP(&out, "output", "o", "", "folder for the results")
	cmd.Flags().StringVar(&page, "html", "", "write the reports as one page into this file too")
	f.register(cmd)
	requireFlags(cmd, "output")
	return cmd
}

// applyFiles changes the files into the folder out.
func (c *cli) applyFiles(ctx context.Context, files []localFile, t *change.Changer, out string) ([]deid.Entry, []localFile, error) {
	var results []deid.Entry
	var made []localFile
	for _, f := range files {
		before, err := checkFile(ctx, f, t.Profile())
		if err != nil {
			return nil, nil, err
		}
		target := filepath.Join(out, filepath.FromSlash(f.path))
		t.Reset()
		if err := applyFile(ctx, f, t, target); err != nil {
			return nil, nil, err
		}
		info, err := os.Stat(target)
		if err != nil {
			return nil, nil, cannotRead(target, err)
		}
		result := localFile{disk: target, path: f.path, size: info.Size(), items: f.items}
		after, err := checkFile(ctx, result, t.Profile())
		if err != nil {
			return nil, nil, err
		}
		changes := t.Report()
		results, made = append(results, deid.Entry{Report: before, Changes: &changes, After: &after}), append(made, result)
		if !c.json {
			c.sayReport(after)
			c.sayChanges(changes)
		}
	}
	return results, made, nil
}

// applyFile writes the changed file under its name only when it is whole.
func applyFile(ctx context.Context, f localFile, t *change.Changer, target string) error {
	in, err := os.Open(f.disk)
	if err != nil {
		return cannotRead(f.disk, err)
	}
	defer in.Close()
	if err := os.MkdirAll(filepath.Dir(target), 0o700); err != nil {
		return models.Wrap(models.Invalid, err, target+" cannot be written")
	}
	out, err := os.OpenFile(target, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if errors.Is(err, os.ErrExist) {
		return models.Errorf(models.Conflict, "%s is there already; name an empty folder with -o", target)
	}
	if err != nil {
		return models.Wrap(models.Invalid, err, target+" cannot be written")
	}
	err = offlineGate().Transform(ctx, f.path, in, out, t)
	if closing := errors.Join(out.Sync(), out.Close()); err == nil && closing != nil {
		err = models.Wrap(models.Full, closing, target+" could not be written; is the disk full?")
	}
	if err != nil {
		return errors.Join(err, os.Remove(target))
	}
	return nil
}

func (c *cli) sayChanges(changes change.Changes) {
	if c.quiet {
		return
	}
	fmt.Fprintf(c.out, "Read for the change: %s", countOf(changes.Rows, "row or record", "rows or records"))
	if changes.Suppressed > 0 {
		fmt.Fprintf(c.out, "; %d left out because the person objected", changes.Suppressed)
	}
	fmt.Fprintln(c.out)
	var dropped []string
	said := false
	for _, f := range changes.Fields {
		switch {
		case f.Action == string(profile.Drop) && f.Seen > 0:
			dropped = append(dropped, printableLines(f.Field))
		case f.Changed > 0:
			io.WriteString(c.out, printableLines(fmt.Sprintf("  %s: %s, %d of %d values changed", f.Field, f.Action, f.Changed, f.Seen))+"\n")
			said = true
		}
	}
	c.sayDropped(dropped)
	if !said && len(dropped) == 0 {
		fmt.Fprintln(c.out, "  nothing had to be changed")
	}
	fmt.Fprintln(c.out)
}

// sayDropped lists the fields that went, several to a line: a DICOM file has
// hundreds of private ones.
func (c *cli) sayDropped(fields []string) {
	const width = 78
	line := fmt.Sprintf("  dropped (%d):", len(fields))
	for i, name := range fields {
		if i < len(fields)-1 {
			name += ","
		}
		if len(line)+1+len(name) > width {
			fmt.Fprintln(c.out, line)
			line = "   "
		}
		line += " " + name
	}
	if len(fields) > 0 {
		fmt.Fprintln(c.out, line)
	}
}

func countOf(n int64, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, many)
}
