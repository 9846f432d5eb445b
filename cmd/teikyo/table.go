package main

import (
	"bufio"
	"io"
	"strings"
	"time"
)

// writeTable writes rows in columns, two spaces apart. Widths are those that a
// terminal shows: a Japanese character takes two.
func writeTable(w io.Writer, rows [][]string) error {
	widths := make([]int, len(rows[0]))
	for _, row := range rows {
		for i, cell := range row {
			widths[i] = max(widths[i], textWidth(cell))
		}
	}
	out := bufio.NewWriter(w)
	for _, row := range rows {
		line := ""
		for i, cell := range row {
			line += cell + strings.Repeat(" ", widths[i]-textWidth(cell)+2)
		}
		out.WriteString(strings.TrimRight(line, " ") + "\n")
	}
	return out.Flush()
}

// shortTime writes a time of the API to the minute, in UTC, so that a table fits
// on a terminal; other text stays as it is. --json has the whole.
func shortTime(text string) string {
	at, err := time.Parse(time.RFC3339, text)
	if err != nil {
		return text
	}
	return at.UTC().Format("2006-01-02 15:04Z")
}
