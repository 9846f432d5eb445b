package main

import (
	"context"
	"encoding/json"
	"net/url"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"teikyo/models"
)

// followPause is how long events follow waits before it asks a server again that
// did not answer.
const followPause = 2 * time.Second

func (c *cli) eventsCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "events", Short: "What happened, for other programs", Args: noArgs, RunE: showHelp}
	cmd.AddCommand(c.eventsList(), c.eventsFollow())
	return cmd
}

// eventFlags say which events.
type eventFlags struct {
	page  pageFlags
	kinds []string
	from  string
}

func (f *eventFlags) register(cmd *cobra.Command, from string) {
	f.page.register(cmd)
	cmd.Flags().StringSliceVar(&f.kinds, "kind", nil, "these alone, such as provision.issued; provision. for all that begin so")
	cmd.Flags().StringVar(&f.from, "from", from, "where to start without --cursor: oldest or newest")
}

func (f *eventFlags) query() url.Values {
	q := f.page.query()
	for _, kind := range f.kinds {
		q.Add("kind", kind)
	}
	q.Set("from", f.from)
	return q
}

func (c *cli) eventsList() *cobra.Command {
	var flags eventFlags
	cmd := &cobra.Command{Use: "list", Short: "List events, the oldest first", Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			answer, err := c.send(cmd, "GET", "/events?"+flags.query().Encode(), nil)
			if err != nil {
				return err
			}
			return c.table(answer, "index", "time", "kind", "ids")
		}}
	flags.register(cmd, "oldest")
	return cmd
}

func (c *cli) eventsFollow() *cobra.Command {
	var flags eventFlags
	cmd := &cobra.Command{Use: "follow", Short: "Print events as they happen, one a line", Args: noArgs,
		Long: `Print events as they happen, until it is interrupted; with --json one JSON document
a line, which holds the cursor to go on with (--cursor). A server that restarts is
waited for, and nothing is left out.`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			q := flags.query()
			q.Set("wait", "20")
			return c.follow(cmd, q)
		}}
	flags.register(cmd, "newest")
	return cmd
}

// follow asks again and again; a server that cannot be reached is asked later.
func (c *cli) follow(cmd *cobra.Command, q url.Values) error {
	warned := false
	for {
		answer, err := c.send(cmd, "GET", "/events?"+q.Encode(), nil)
		switch {
		case err == nil:
			warned = false
			if err := c.printEvents(answer, q); err != nil {
				return err
			}
		case cmd.Context().Err() != nil || !models.IsKind(err, models.Unavailable):
			return err
		default:
			if !warned {
				c.say("%v; trying again", err)
				warned = true
			}
			if err := pause(cmd.Context(), followPause); err != nil {
				return err
			}
		}
	}
}

func pause(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// printEvents prints a batch and moves the query on.
func (c *cli) printEvents(answer json.RawMessage, q url.Values) error {
	var batch struct {
		Items []map[string]any `json:"items"`
		Next  string           `json:"next_cursor"`
	}
	if err := decodeNumbers(answer, &batch); err != nil {
		return err
	}
	q.Del("from")
	q.Set("cursor", batch.Next)
	for _, item := range batch.Items {
		line := strings.Join([]string{fieldText(item, "index"), fieldText(item, "time"), fieldText(item, "kind"), fieldText(item, "ids")}, "  ")
		if c.json {
			text, err := json.Marshal(item)
			if err != nil {
				return err
			}
			line = string(text)
		}
		if _, err := c.out.Write([]byte(printable(line) + "\n")); err != nil {
			return err
		}
	}
	return nil
}
