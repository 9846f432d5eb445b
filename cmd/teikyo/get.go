package main

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"teikyo/client"
	"teikyo/client/arrival"
	"teikyo/crypto"
	"teikyo/internal/buildinfo"
	"teikyo/internal/datadir"
	"teikyo/models"
)

// getFlags are the flags of get.
type getFlags struct {
	trustFlags
	dir, identity, rate string
	include             []string
	list, keepSealed    bool
	retryFor            time.Duration
}

func (c *cli) getCommand() *cobra.Command {
	f := &getFlags{}
	cmd := &cobra.Command{
		Use: "get LINK", Short: "Fetch, verify and open a parcel by its link", Args: exactArgs("LINK"),
		Long: `Fetch, verify and open a parcel by its link; no account is needed. LINK may be -
to read it from standard input.

A transfer that breaks goes on by itself until the link ends. You may interrupt it
at any time: the same command goes on where it stopped, and so does a new link of
the same provision with the same folder. A file has its final name only when it is
whole and verified.`,
		RunE: func(cmd *cobra.Command, args []string) error { return c.runGet(cmd.Context(), args[0], f) },
	}
	flags := cmd.Flags()
	flags.StringVarP(&f.dir, "output", "o", "", "folder to receive into: new, empty, or one that get made")
	flags.StringVarP(&f.identity, "identity", "i", "", "identity file with the secret key")
	flags.BoolVar(&f.list, "list", false, "only show what is in the parcel")
	flags.StringArrayVar(&f.include, "include", nil, "only files that match, such as 2024/*.csv or claims/** (repeatable)")
	flags.BoolVar(&f.keepSealed, "keep-sealed", false, "keep the files sealed; teikyo open opens them later")
	flags.StringVar(&f.rate, "limit-rate", "", "bytes a second, such as 500K or 10M")
	flags.DurationVar(&f.retryFor, "retry-for", 0, "give up after this long without progress (default: when the link ends)")
	f.register(cmd)
	requireFlags(cmd, "output")
	return cmd
}

func (c *cli) runGet(ctx context.Context, link string, f *getFlags) error {
	g, err := c.newGet(link, f)
	if err != nil {
		return err
	}
	if f.list {
		summary, err := g.List(ctx)
		if err != nil {
			return err
		}
		return c.showListing(summary)
	}
	stop := c.showProgress(g.Progress)
	summary, err := g.Run(ctx)
	stop()
	if err != nil {
		return err
	}
	return c.showParcel(getDocument(summary), summary.Parcel, summary.Notes)
}

func (c *cli) newGet(link string, f *getFlags) (*client.Get, error) {
	limit, err := parseRate(f.rate)
	if err != nil {
		return nil, err
	}
	if link == "-" {
		if link, err = c.readSecret("-", "link"); err != nil {
			return nil, err
		}
	}
	g := &client.Get{
		Link: link, Dir: f.dir, Include: f.include, KeepSealed: f.keepSealed, Rate: limit, RetryFor: f.retryFor,
		HTTP: client.DefaultHTTP(), UserAgent: "teikyo/" + buildinfo.Version(), Progress: &client.Progress{},
		Now: time.Now, Sleep: client.Sleep, Free: datadir.FreeSpace, Say: c.say, Token: c.tokenFor,
		Jitter: func(d time.Duration) time.Duration { return d/2 + rand.N(d/2+1) },
	}
	if g.Trust, g.Witness, err = c.trust(&f.trustFlags); err != nil {
		return nil, err
	}
	if f.identity != "" {
		g.Identity, err = c.readIdentity(f.identity)
	}
	return g, err
}

// tokenFor gives the user's token to the server that it is for, and to no other.
func (c *cli) tokenFor(base string) string {
	cred, err := c.loadCredentials()
	if err != nil || c.serverAddress(cred) != base {
		return ""
	}
	return cred.tokenAt(base)
}

func (c *cli) readIdentity(file string) (crypto.Identity, error) {
	text, err := c.readSecret(file, "identity")
	if err != nil {
		return crypto.Identity{}, err
	}
	id, err := crypto.ParseIdentity(strings.NewReader(text))
	if err != nil {
		return id, models.Wrap(models.Invalid, err, file+" is not an identity file; teikyo keygen makes one")
	}
	return id, nil
}

// parseRate reads bytes a second with K, M or G for powers of 1024.
func parseRate(text string) (int64, error) {
	if text == "" {
		return 0, nil
	}
	number, unit := strings.TrimRight(text, "KMGkmgiBb"), float64(1)
	if rest := strings.ToUpper(text[len(number):]); rest != "" {
		unit = map[byte]float64{'K': 1 << 10, 'M': 1 << 20, 'G': 1 << 30, 'B': 1}[rest[0]]
	}
	value, err := strconv.ParseFloat(number, 64)
	if bytes := value * unit; err != nil || !(bytes >= 1 && bytes <= 1<<50) { // so that NaN is refused, too
		return 0, &errUsage{fmt.Sprintf("--limit-rate %q is no rate; write it like 500K or 10M", text)}
	}
	return int64(value * unit), nil
}

func getDocument(s client.Summary) map[string]any {
	doc := parcelDocument(s.Parcel, s.Notes)
	doc["folder"], doc["opened"], doc["link_ends"] = s.Folder, s.Opened, s.Ends
	doc["files"], doc["skipped"], doc["bytes"] = len(s.Chosen), s.Skipped, s.Bytes
	return doc
}

// showListing prints what is in the parcel.
func (c *cli) showListing(s client.Summary) error {
	if c.json {
		doc := getDocument(s)
		doc["files"] = listing(s.Chosen)
		c.printJSON(doc)
		return nil
	}
	w := tabwriter.NewWriter(c.out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "SIZE\tITEMS\tPATH")
	for _, f := range s.Chosen {
		fmt.Fprintf(w, "%d\t%s\t%s\n", f.Size, printable(strings.Join(f.Sealed.Items, ", ")), f.Path)
	}
	if err := w.Flush(); err != nil {
		return err
	}
	c.say("%d files, %s, provision %s of %s; the link ends %s", len(s.Chosen), arrival.Bytes(s.Bytes),
		printable(s.Head.Number), s.Issuer.Origin, localTime(s.Ends))
	return nil
}

func listing(files []arrival.File) []map[string]any {
	list := make([]map[string]any, len(files))
	for i, f := range files {
		list[i] = map[string]any{"path": f.Path, "size": f.Size, "items": append([]string{}, f.Sealed.Items...)}
	}
	return list
}

// terminalOf is the writer's or reader's terminal, if it is one.
func terminalOf(stream any) (*os.File, bool) {
	f, ok := stream.(*os.File)
	return f, ok && isTerminal(f)
}

// printLine writes one line of the result to standard output.
func (c *cli) printLine(text string) { _, _ = io.WriteString(c.out, text+"\n") }
