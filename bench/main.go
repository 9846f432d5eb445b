package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	if err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

// part is one subject that is measured.
type part struct {
	name string
	run  func(ctx context.Context, b *bench) error
}

func parts() []part {
	return []part{
		{"ledger", ledgerPart}, {"register", registerPart}, {"provision", provisionPart}, {"download", downloadPart},
		{"deid", deidPart}, {"s3", s3Part}, {"nodes", nodesPart}, {"pages", pagesPart}, {"restore", restorePart},
	}
}

// bench is one run.
type bench struct {
	quick    bool
	big      int    // MiB of a big file
	dir      string // scratch space, on the disk that is measured
	postgres bool   // of which parts: see the flag
	house    string // folder of a filled server that outlives the run; empty: none
	out      *report
	log      io.Writer // progress
}

// pick is full, or less when quick.
func pick[T any](b *bench, full, quick T) T {
	if b.quick {
		return quick
	}
	return full
}

func (b *bench) say(format string, args ...any) { fmt.Fprintf(b.log, format+"\n", args...) }

func run(ctx context.Context, args []string, stdout, stderr io.Writer) (err error) {
	flags := flag.NewFlagSet("bench", flag.ContinueOnError)
	flags.SetOutput(stderr)
	only := flags.String("only", "", "parts to run, with commas between; empty means all")
	quick := flags.Bool("quick", false, "small sizes, whose figures mean little")
	big := flags.Int("big", 1024, "MiB of each of the ten big files of provision")
	dir := flags.String("dir", "", "folder for scratch files; empty means a new one in the system's")
	postgres := flags.Bool("postgres", false, "pages uses a PostgreSQL server, which the bench starts; without -house")
	keep := flags.String("house", "", "folder of the server that pages and restore fill, kept for the next run; empty means that each fills its own")
	verify := flags.String("verify", "", "verify the ledger in this database file and print the seconds (the bench calls itself so)")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if *verify != "" {
		return verifyLedger(ctx, *verify, stdout)
	}
	chosen, err := choose(*only)
	if err != nil {
		return err
	}
	scratch, err := os.MkdirTemp(*dir, "teikyo-bench")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(scratch)) }()
	b := &bench{quick: *quick, big: *big, dir: scratch, house: *keep, postgres: *postgres, log: stderr, out: &report{w: stdout}}
	b.out.machine(*quick)
	for _, p := range chosen {
		b.say("%s …", p.name)
		if err := p.run(ctx, b); err != nil {
			return fmt.Errorf("%s: %w", p.name, err)
		}
	}
	b.out.machineAfter()
	return nil
}

func choose(only string) ([]part, error) {
	all := parts()
	if only == "" {
		return all, nil
	}
	var chosen []part
	for name := range strings.SplitSeq(only, ",") {
		i := slices.IndexFunc(all, func(p part) bool { return p.name == name })
		if i < 0 {
			return nil, fmt.Errorf("there is no part %q", name)
		}
		chosen = append(chosen, all[i])
	}
	return chosen, nil
}
