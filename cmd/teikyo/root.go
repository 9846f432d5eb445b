package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"teikyo/models"
)

// cli is one call of the program.
type cli struct {
	in       io.Reader
	out, err io.Writer

	json   bool
	quiet  bool
	server string

	// home is the configuration folder of a person of the demo, who shares
	// nothing with the user that runs it; empty otherwise.
	home string
}

// run is the whole program; tests call it. It returns the exit code.
func run(ctx context.Context, args []string, in io.Reader, out, errOut io.Writer) int {
	return (&cli{in: in, out: out, err: errOut}).run(ctx, args)
}

func (c *cli) run(ctx context.Context, args []string) int {
	root := c.rootCommand()
	root.SetArgs(args)
	root.SetIn(c.in)
	root.SetOut(c.out)
	root.SetErr(c.err)
	err := root.ExecuteContext(ctx)
	if ctx.Err() != nil && err != nil {
		err = errInterrupted
	}
	if err != nil {
		// A wrong flag ends the reading of flags: --json may stand behind it.
		c.json = c.json || slices.Contains(args, "--json")
		c.printError(err)
	}
	return exitCode(err)
}

func (c *cli) rootCommand() *cobra.Command {
	root := &cobra.Command{
		Use:           "teikyo",
		Short:         "Provide anonymized medical datasets, and keep proof of it",
		SilenceUsage:  true,
		SilenceErrors: true,
		Args:          noArgs,
		RunE:          func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	flags := root.PersistentFlags()
	flags.BoolVar(&c.json, "json", false, "print one JSON document on standard output, errors too")
	flags.BoolVarP(&c.quiet, "quiet", "q", false, "print no words or progress on standard error")
	flags.StringVar(&c.server, "server", c.server, "address of the server (default: where you signed in; TEIKYO_SERVER)")
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error { return usageError(cmd, err.Error()) })
	root.AddCommand(c.commands()...)
	root.AddCommand(helpTopics()...)
	return root
}

// errUsage marks a wrong call of the command line.
type errUsage struct{ msg string }

func (e *errUsage) Error() string { return e.msg }

func usageError(cmd *cobra.Command, msg string) error {
	return &errUsage{fmt.Sprintf("%s\nsee '%s --help'", msg, cmd.CommandPath())}
}

// noArgs and exactArgs refuse a wrong number of arguments as wrong usage.
func noArgs(cmd *cobra.Command, args []string) error {
	if len(args) > 0 {
		return usageError(cmd, fmt.Sprintf("unknown command or argument %q", args[0]))
	}
	return nil
}

// exactArgs wants one argument for each name.
func exactArgs(names ...string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) != len(names) {
			return usageError(cmd, "it takes "+strings.Join(names, " "))
		}
		return nil
	}
}

// minArgs wants at least n arguments of that name.
func minArgs(n int, name string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) < n {
			return usageError(cmd, "it takes at least one "+name)
		}
		return nil
	}
}

// errInterrupted ends a call that the user broke off.
var errInterrupted = errors.New("interrupted")

// partly says that some of several things failed; each was reported already.
type partly struct{ failed, total int }

func (e *partly) Error() string { return fmt.Sprintf("%d of %d failed", e.failed, e.total) }

// exitCode is the one mapping from errors to exit codes (teikyo help exit-codes).
func exitCode(err error) int {
	var usage *errUsage
	var part *partly
	var code *exitWith
	switch {
	case err == nil:
		return 0
	case errors.Is(err, errInterrupted):
		return 130
	case errors.As(err, &usage):
		return 2
	case errors.As(err, &part):
		return 3
	case errors.As(err, &code):
		return code.code
	}
	switch models.KindOf(err) {
	case models.Denied:
		return 4
	case models.NotFound:
		return 5
	case models.Expired:
		return 6
	case models.Integrity:
		return 7
	case models.Unavailable, models.RateLimited:
		return 8
	default:
		return 1
	}
}

// exitWith ends with a code of its own, for verdicts that are no failure of the
// program (dataset check: 3 for warnings).
type exitWith struct {
	code int
	msg  string
}

func (e *exitWith) Error() string { return e.msg }

// printError writes what went wrong: for people to standard error, or as the
// JSON document.
func (c *cli) printError(err error) {
	var known *models.Error
	var code *exitWith
	if errors.As(err, &code) && code.msg == "" {
		return
	}
	msg := err.Error()
	if errors.As(err, &known) {
		msg = known.Msg
		if known.Kind == models.Internal && known.Err != nil { // a local bug: the cause helps
			msg = known.Error()
		}
	}
	if c.json {
		c.printJSON(errorDocument(err, msg, known))
		return
	}
	fmt.Fprintln(c.err, "teikyo: "+printableLines(msg))
	if known == nil {
		return
	}
	for _, f := range known.Findings {
		line := "  " + strings.TrimSpace(f.ID+" "+f.Location)
		fmt.Fprintln(c.err, strings.TrimRight(printable(line+": "+f.Msg), " "))
	}
}

func errorDocument(err error, msg string, known *models.Error) any {
	kind := "usage"
	var usage *errUsage
	switch {
	case errors.Is(err, errInterrupted):
		kind = "interrupted"
	case !errors.As(err, &usage):
		kind = string(models.KindOf(err))
	}
	findings := []map[string]string{}
	if known != nil {
		for _, f := range known.Findings {
			findings = append(findings, map[string]string{"id": f.ID, "location": f.Location, "rule": f.Rule, "message": f.Msg})
		}
	}
	return map[string]any{"error": map[string]any{"kind": kind, "message": msg, "findings": findings}}
}

// say writes a line for people to standard error unless -q.
func (c *cli) say(format string, args ...any) {
	if !c.quiet {
		fmt.Fprintln(c.err, printableLines(fmt.Sprintf(format, args...)))
	}
}

// printJSON writes v as one indented JSON document to standard output.
func (c *cli) printJSON(v any) {
	enc := json.NewEncoder(c.out)
	enc.SetIndent("", "  ")
	enc.SetEscapeHTML(false)
	_ = enc.Encode(v)
}
