package deid

import (
	"fmt"
	"slices"
	"strings"

	"golang.org/x/text/width"

	"teikyo/models"
)

// textWidth is the width of a report for people, in columns of a terminal.
const textWidth = 80

// Text renders the report for people, at most 80 columns wide.
func (r Report) Text() string {
	var b strings.Builder
	line := func(indent int, format string, args ...any) { wrap(&b, indent, fmt.Sprintf(format, args...)) }
	line(0, "De-identification gate: %s", r.Path)
	line(0, "Verdict: %s", r.Verdict)
	line(0, "Profile: %s", r.Profile)
	line(0, "Format: %s", r.shape())
	if r.SHA256 != "" {
		line(0, "SHA-256:")
		line(2, "%s", r.SHA256)
	}
	r.textFindings(line, "Stops the registration", r.Blocking())
	r.textFindings(line, "Warnings", r.Warnings())
	r.textColumns(line)
	if r.Risk != nil {
		line(0, "")
		line(0, "Risk of re-identification")
		for _, words := range r.Risk.Lines() {
			line(2, "- %s", words)
		}
	}
	if len(r.NotLookedAt) > 0 {
		line(0, "")
		line(0, "Not looked at")
		for _, n := range r.NotLookedAt {
			line(2, "- %s", n)
		}
	}
	return b.String()
}

func (r Report) shape() string {
	if r.Delimiter == "" {
		return r.Format
	}
	header := "with names of columns"
	if !r.Header {
		header = "without names of columns"
	}
	return fmt.Sprintf("%s, %s, delimiter %q, %d rows, %d columns, %s", r.Format, r.Encoding, r.Delimiter, r.Rows, len(r.Columns), header)
}

func (r Report) textFindings(line func(int, string, ...any), title string, list []models.Finding) {
	if len(list) == 0 {
		return
	}
	line(0, "")
	line(0, "%s (%d)", title, len(list))
	for _, f := range list {
		line(2, "%s  %s", f.ID, f.Rule)
		line(4, "%s", f.Msg)
	}
}

func (r Report) textColumns(line func(int, string, ...any)) {
	if len(r.Columns) == 0 {
		return
	}
	line(0, "")
	if r.Delimiter == "" || !r.Header {
		line(0, "Fields")
	} else {
		line(0, "Columns")
	}
	for i, c := range r.Columns {
		class := ""
		if c.Class != "" {
			class = ", by its name: " + c.Class
		}
		line(2, "%d %s: %d filled%s", i+1, c.Name, c.NonEmpty, class)
		for _, h := range c.Hits {
			what := fmt.Sprintf("%.0f %% of %d different values", h.Ratio*100, c.Sampled)
			if h.Cells > 0 {
				what = fmt.Sprintf("%d cells", h.Cells)
			}
			line(4, "%s: %s %s", h.Rule, what, strings.Join(slices.Clip(h.Examples), " "))
		}
	}
}

// wrap writes text in lines of at most textWidth columns, all indented. Lines
// break at spaces, and inside words that are longer than a line, as Japanese
// text is.
func wrap(b *strings.Builder, indent int, text string) {
	used := 0
	start := func() {
		b.WriteString(strings.Repeat(" ", indent))
		used = indent
	}
	start()
	for i, word := range strings.Split(text, " ") {
		if w := widthOf(word); i > 0 && used+1+w > textWidth && used > indent && indent+w <= textWidth {
			b.WriteByte('\n')
			start()
		} else if i > 0 && used < textWidth {
			b.WriteByte(' ')
			used++
		}
		for _, r := range word {
			w := runeWidth(r)
			if used+w > textWidth {
				b.WriteByte('\n')
				start()
			}
			b.WriteRune(r)
			used += w
		}
	}
	b.WriteByte('\n')
}

func widthOf(s string) int {
	n := 0
	for _, r := range s {
		n += runeWidth(r)
	}
	return n
}

// runeWidth counts ambiguous characters (● and the like) as two, as Japanese
// terminals show them.
func runeWidth(r rune) int {
	switch width.LookupRune(r).Kind() {
	case width.EastAsianWide, width.EastAsianFullwidth, width.EastAsianAmbiguous:
		return 2
	}
	return 1
}
