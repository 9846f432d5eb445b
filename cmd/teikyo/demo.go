package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"teikyo/config"
	"teikyo/internal/clock"
	"teikyo/models"
)

func (c *cli) demoCommand() *cobra.Command {
	var keep string
	cmd := &cobra.Command{
		Use: "demo", Short: "Run the whole main job on invented data and tell what happened", Args: noArgs,
		Long: `demo starts a server on this machine, plays its people (two administrators, a
data manager, a researcher) with the same commands that they would type, provides
an invented claims table to the researcher, verifies it, and then shows that a
tampered copy is caught. It needs nothing and leaves nothing.`,
		RunE: func(cmd *cobra.Command, _ []string) error { return c.demo(cmd.Context(), keep) },
	}
	cmd.Flags().StringVar(&keep, "keep", "", "new folder to keep everything in, to look at afterwards")
	return cmd
}

// demo is one run: a folder, a server and the people, each with an own
// configuration folder.
type demo struct {
	cli   *cli
	dir   string
	base  string // address of the server
	steps []demoStep
	found demoIDs
	stop  func() error // ends the server
}

// demoStep is one thing that happened, for the story and for --json.
type demoStep struct {
	Who     string `json:"who"`
	Did     string `json:"did"`
	Command string `json:"command,omitempty"`
	Result  string `json:"result,omitempty"`
}

func (c *cli) demo(ctx context.Context, keep string) error {
	dir, remove, err := demoFolder(keep)
	if err != nil {
		return err
	}
	defer remove()
	d := &demo{cli: c, dir: dir}
	start := time.Now()
	if err := d.play(ctx); err != nil {
		if d.stop != nil {
			err = errors.Join(err, d.stop())
		}
		return err
	}
	if c.json {
		c.printJSON(map[string]any{"ok": true, "seconds": time.Since(start).Seconds(), "steps": d.steps})
		return nil
	}
	fmt.Fprintf(c.out, "\nAll of it held, in %.1f seconds. (Method of provision: download; the other methods are not built yet.)\n",
		time.Since(start).Seconds())
	if keep != "" {
		fmt.Fprintf(c.out, "Everything is in %s: server/ (data folder), company/, researcher/.\n", dir)
	}
	return nil
}

// demoFolder makes the folder of the run, and what removes it at the end.
func demoFolder(keep string) (dir string, remove func(), err error) {
	if keep == "" {
		dir, err = os.MkdirTemp("", "teikyo-demo-")
		remove = func() { _ = os.RemoveAll(dir) }
	} else {
		dir, remove = keep, func() {}
		err = os.Mkdir(keep, 0o700)
	}
	if err != nil {
		return "", nil, models.Wrap(models.Invalid, err, "the folder of the demo cannot be made; --keep takes a new one")
	}
	return dir, remove, nil
}

// play is the story, scene by scene.
func (d *demo) play(ctx context.Context) error {
	scenes := []func(context.Context) error{
		d.startServer, d.people, d.register, d.admitRecipient, d.provide, d.receive, d.audit, d.tamper,
	}
	for _, scene := range scenes {
		if err := scene(ctx); err != nil {
			return err
		}
	}
	return nil
}

// path is a file of the run.
func (d *demo) path(parts ...string) string {
	return filepath.Join(append([]string{d.dir}, parts...)...)
}

// startServer runs the same server as teikyo serve, on a free port of this
// machine.
func (d *demo) startServer(ctx context.Context) error {
	cfg := config.Config{Data: d.path("server"), Listen: "127.0.0.1:0"}
	cfg.Issuer.Origin, cfg.Issuer.Name = "data.example.jp", "Example Health Data K.K."
	ready := &readyWriter{ready: make(chan struct{})}
	a, err := newApp(ctx, cfg, system{
		clock: clock.New(), rand: rand.Reader, err: ready, log: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		return err
	}
	serving, cancel := context.WithCancel(ctx)
	ended := make(chan error, 1)
	go func() { ended <- a.serve(serving) }()
	d.base = a.address()
	d.stop = func() error {
		d.stop = nil
		cancel()
		return errors.Join(<-ended, a.close())
	}
	select {
	case <-ready.ready:
	case err := <-ended:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
	d.tell(demoStep{
		Who: "the company", Did: "starts its server; SQLite and a local folder are built in",
		Command: "teikyo serve --data server", Result: "ready at " + d.base,
	})
	return nil
}

// readyWriter closes ready when the server says that it serves.
type readyWriter struct {
	ready chan struct{}
	seen  bool
}

func (w *readyWriter) Write(p []byte) (int, error) {
	if !w.seen && bytes.Contains(p, []byte("ready ")) {
		w.seen = true
		close(w.ready)
	}
	return len(p), nil
}

// answer is the JSON that a command printed.
type answer map[string]any

// text is a field of the answer, by a dotted path.
func (a answer) text(path string) string { return fieldText(a, path) }

// call runs one command as a person and gives its exit code and JSON.
func (d *demo) call(ctx context.Context, who string, args ...string) (int, answer) {
	var out bytes.Buffer
	person := &cli{
		in: strings.NewReader(""), out: &out, err: io.Discard, json: true, quiet: true,
		server: d.base, home: d.path("people", who),
	}
	code := person.run(ctx, append([]string{"--json", "-q"}, args...))
	var a answer
	_ = decodeNumbers(out.Bytes(), &a)
	return code, a
}

// do runs a command that must work.
func (d *demo) do(ctx context.Context, who string, args ...string) (answer, error) {
	code, a := d.call(ctx, who, args...)
	if ctx.Err() != nil {
		return a, errInterrupted
	}
	if code != 0 {
		return a, models.Errorf(models.Internal, "the demo failed: %s ran %q, which ended with exit code %d: %s",
			who, "teikyo "+strings.Join(args, " "), code, a.text("error.message"))
	}
	return a, nil
}

// must runs a command that must be refused with that exit code, and gives the
// reason.
func (d *demo) must(ctx context.Context, refused int, who string, args ...string) (answer, error) {
	code, a := d.call(ctx, who, args...)
	if code != refused {
		return a, models.Errorf(models.Internal, "the demo failed: %q ended with exit code %d, not %d",
			"teikyo "+strings.Join(args, " "), code, refused)
	}
	return a, nil
}

// tell records a step and prints it for people.
func (d *demo) tell(s demoStep) {
	d.steps = append(d.steps, s)
	if d.cli.json || d.cli.quiet {
		return
	}
	fmt.Fprintf(d.cli.out, "\n%2d. %s\n", len(d.steps), wrapText(s.Who+" "+s.Did, 74, "    "))
	if s.Command != "" {
		fmt.Fprintln(d.cli.out, "    $ "+strings.ReplaceAll(s.Command, "\n", "\n    $ "))
	}
	if s.Result != "" {
		fmt.Fprintf(d.cli.out, "    → %s\n", wrapText(s.Result, 72, "      "))
	}
}

// wrapText breaks text into lines of at most width characters.
func wrapText(text string, width int, indent string) string {
	var lines []string
	line := ""
	for word := range strings.FieldsSeq(text) {
		if line != "" && len([]rune(line))+1+len([]rune(word)) > width {
			lines = append(lines, line)
			line = ""
		}
		line = strings.TrimSpace(line + " " + word)
	}
	return strings.Join(append(lines, line), "\n"+indent)
}

// writeSecret writes a password or code for a command to read.
func (d *demo) writeSecret(name, secret string) (string, error) {
	file := d.path("people", name)
	if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
		return "", err
	}
	return file, os.WriteFile(file, []byte(secret+"\n"), 0o600)
}

// number is a whole number of the answer.
func (a answer) number(path string) int64 {
	n, _ := json.Number(a.text(path)).Int64()
	return n
}

// findings are what the gate found, in words.
func (a answer) findings() string {
	refusal, _ := a["error"].(map[string]any)
	list, _ := refusal["findings"].([]any)
	var parts []string
	for _, f := range list {
		finding, _ := f.(map[string]any)
		parts = append(parts, fieldText(finding, "location")+": "+fieldText(finding, "message"))
	}
	return strings.Join(parts, "; ")
}
