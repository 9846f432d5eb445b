package main

import (
	"context"
	"fmt"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"teikyo/models"
)

// openRetention lets the periods hold that were set.
func (a *app) openRetention(ctx context.Context) error {
	a.db.KeepYears(a.disposals.Policy.EntryYears)
	a.provisions.Keep, a.links.Keep = a.disposals.Policy.ClassYears, a.disposals.Policy.ClassYears
	a.loops = append(a.loops, a.purge)
	return a.disposals.LoadPolicy(ctx)
}

// purge removes, at start and now and then, what nobody needs any more.
func (a *app) purge(ctx context.Context) error {
	ticker := time.NewTicker(sweepEvery)
	defer ticker.Stop()
	for {
		purged, err := a.disposals.Purge(ctx)
		if err != nil && ctx.Err() == nil {
			a.log.Error("purge", "error", err)
		} else if purged != (models.Purged{}) {
			a.log.Info("purge", "answers", purged.Answers, "tokens", purged.Tokens, "invitations", purged.Invitations,
				"challenges", purged.Challenges, "downloads", purged.Downloads)
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-ticker.C:
		}
	}
}

func (c *cli) retentionCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "retention", Short: "How long each kind of records is kept", Args: noArgs, RunE: showHelp}
	cmd.AddCommand(c.retentionShow(), c.retentionSet())
	return cmd
}

func (c *cli) retentionShow() *cobra.Command {
	return &cobra.Command{Use: "show", Short: "Show the periods, their floors and the law behind them", Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			answer, err := c.send(cmd, "GET", "/retention", nil)
			if err != nil {
				return err
			}
			return c.table(answer, "record", "period", "unit", "floor", "from", "law")
		}}
}

func (c *cli) retentionSet() *cobra.Command {
	var reason, period string
	cmd := &cobra.Command{
		Use: "set RECORD --period N --reason R", Short: "Change how long a kind of records is kept", Args: exactArgs("RECORD"),
		Long: `Change how long a kind of records is kept, in the unit that teikyo retention show
names. Nobody goes below the floor of the law. It counts for what is recorded from
now on; the date in an entry of the ledger does not change.`,
		RunE: func(cmd *cobra.Command, args []string) error {
			n, err := strconv.Atoi(period)
			if err != nil || n < 0 {
				return usageError(cmd, fmt.Sprintf("%q is no number of years or days", period))
			}
			answer, err := c.send(cmd, "POST", "/retention", map[string]any{"record": args[0], "period": n, "reason": reason})
			if err != nil {
				return err
			}
			return c.show(answer, "record", "period", "unit", "floor", "law", "set_by", "set_at", "reason")
		}}
	cmd.Flags().StringVar(&period, "period", "", "years or days")
	cmd.Flags().StringVar(&reason, "reason", "", "why; it stays in the ledger")
	requireFlags(cmd, "period", "reason")
	return cmd
}

// disposalDue shows what is due by the end of a year.
func (c *cli) disposalDue(cmd *cobra.Command, year string) error {
	answer, err := c.send(cmd, "GET", "/disposals/due?"+url.Values{"year": {year}}.Encode(), nil)
	if err != nil {
		return err
	}
	return c.table(answer, "item", "due")
}

func (c *cli) disposalPropose() *cobra.Command {
	var year int
	var reason string
	var hold []string
	cmd := &cobra.Command{
		Use: "propose --year Y --reason R", Short: "Propose that what is due be disposed of", Args: noArgs,
		Long: `Propose that what is due now be disposed of, of what teikyo disposal list --year
names. Look at the list first, and keep back with --hold ITEM=REASON what a lawsuit
or an authority needs; teikyo disposal hold does so later. An independent second
person confirms it (teikyo disposal confirm).`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			held := []map[string]string{}
			for _, h := range hold {
				item, why, found := strings.Cut(h, "=")
				if !found {
					return usageError(cmd, fmt.Sprintf("%q is not of the form ITEM=REASON", h))
				}
				held = append(held, map[string]string{"item": item, "reason": why})
			}
			answer, err := c.send(cmd, "POST", "/disposals", map[string]any{"year": year, "reason": reason, "held": held})
			if err != nil {
				return err
			}
			return c.show(answer, disposalFields...)
		}}
	cmd.Flags().IntVar(&year, "year", 0, "what is due by the end of this year")
	cmd.Flags().StringVar(&reason, "reason", "", "why; it stays in the ledger")
	cmd.Flags().StringArrayVar(&hold, "hold", nil, "keep one thing back, as ITEM=REASON")
	requireFlags(cmd, "year", "reason")
	return cmd
}
