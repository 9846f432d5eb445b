package records

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"teikyo/deid/scan"
)

// tally counts one thing that was found in one place.
type tally struct {
	rule, where string
	count       int64
	line        int64
	column      int      // of the first, in bytes from 1; 0 where it does not matter
	block       bool     //
	what        string   // %d stands for the count
	advice      string   // what to do
	names       []string // for unknown records
}

// maxTallies bounds what a file can make us remember.
const maxTallies = 2000

// tallies are all of one file, in the order of their first line.
type tallies struct {
	all  []*tally
	byID map[string]*tally
}

func (t *tallies) add(rule, where string, line int64, make func() tally) *tally {
	id := rule + "\x00" + where
	one, ok := t.byID[id]
	if !ok {
		if len(t.all) >= maxTallies {
			where, id = "other fields", rule+"\x00other fields"
			if one, ok = t.byID[id]; ok {
				one.count++
				return one
			}
		}
		fresh := make()
		one = &fresh
		one.rule, one.where, one.line = rule, where, line
		if t.byID == nil {
			t.byID = map[string]*tally{}
		}
		t.byID[id], t.all = one, append(t.all, one)
	}
	one.count++
	return one
}

// report turns the tallies into findings.
func (t *tallies) report(c *scan.Collector) {
	for _, y := range t.all {
		place := fmt.Sprintf("line %d", y.line)
		if y.column > 0 {
			place += fmt.Sprintf(", column %d", y.column)
		}
		what := strings.Replace(y.what, "%d", strconv.FormatInt(y.count, 10), 1)
		if len(y.names) > 0 {
			slices.Sort(y.names)
			what += " (" + strings.Join(y.names, ", ") + ")"
		}
		location, msg := y.where, fmt.Sprintf("%s: %s, the first on %s; %s", y.where, what, place, y.advice)
		if y.where == "" {
			location, msg = place, fmt.Sprintf("%s, the first on %s; %s", what, place, y.advice)
		}
		if y.block {
			c.Block(y.rule, location, msg)
		} else {
			c.Warn(y.rule, location, msg)
		}
	}
}
