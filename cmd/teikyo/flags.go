package main

import (
	"net/url"
	"strconv"

	"github.com/spf13/cobra"
)

// requireFlags refuses a call without these flags as wrong usage.
func requireFlags(cmd *cobra.Command, names ...string) {
	inner := cmd.RunE
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		for _, name := range names {
			if !cmd.Flags().Changed(name) {
				return usageError(cmd, "--"+name+" is missing")
			}
		}
		return inner(cmd, args)
	}
}

// pageFlags are the flags of every list.
type pageFlags struct {
	cursor string
	limit  int
}

func (p *pageFlags) register(cmd *cobra.Command) {
	cmd.Flags().StringVar(&p.cursor, "cursor", "", "go on after this cursor")
	cmd.Flags().IntVar(&p.limit, "limit", 0, "rows at most (500)")
}

func (p *pageFlags) query() url.Values {
	q := url.Values{}
	setQuery(q, "cursor", p.cursor)
	if p.limit > 0 {
		q.Set("limit", strconv.Itoa(p.limit))
	}
	return q
}

func setQuery(q url.Values, name, value string) {
	if value != "" {
		q.Set(name, value)
	}
}
