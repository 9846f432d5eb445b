package main

import (
	"fmt"
	"os"
	"strings"
	"sync"
	"time"

	"golang.org/x/term"
	"golang.org/x/text/width"

	"teikyo/client"
	"teikyo/client/arrival"
)

const (
	progressEvery   = 200 * time.Millisecond
	progressColumns = 80
)

// showProgress keeps one line about p on the terminal, if there is one, until the
// returned function is called.
func (c *cli) showProgress(p *client.Progress) (stop func()) {
	f, ok := terminalOf(c.err)
	if !ok || c.quiet || c.json {
		return func() {}
	}
	done := make(chan struct{})
	var group sync.WaitGroup
	group.Go(func() {
		line := &progressLine{p: p, out: f, began: time.Now()}
		ticker := time.NewTicker(progressEvery)
		defer ticker.Stop()
		for {
			select {
			case <-done:
				line.clear()
				return
			case now := <-ticker.C:
				line.draw(now)
			}
		}
	})
	return func() { close(done); group.Wait() }
}

type progressLine struct {
	p     *client.Progress
	out   *os.File
	began time.Time
}

func (l *progressLine) draw(now time.Time) {
	columns := progressColumns
	if w, _, err := term.GetSize(int(l.out.Fd())); err == nil && w < columns {
		columns = w
	}
	if text := l.text(now); text != "" {
		fmt.Fprint(l.out, "\r\x1b[K"+cutToWidth(text, columns-1))
	}
}

func (l *progressLine) clear() { fmt.Fprint(l.out, "\r\x1b[K") }

func (l *progressLine) text(now time.Time) string {
	bytes, total := l.p.Bytes()
	files, all := l.p.Files()
	if total == 0 {
		return ""
	}
	text := fmt.Sprintf("%d/%d files  %3d%%  %s", files, all, min(100, bytes*100/total), arrival.Bytes(bytes))
	seconds := now.Sub(l.began).Seconds()
	if speed := float64(l.p.Fetched()) / max(seconds, 0.001); seconds > 1 && speed > 0 {
		left := time.Duration(float64(total-bytes) / speed * float64(time.Second))
		text += fmt.Sprintf("  %s/s  %s left", arrival.Bytes(int64(speed)), left.Round(time.Second))
	}
	if name := l.p.Current(); name != "" {
		text += "  " + name
	}
	return text
}

// cutToWidth cuts a text to that many columns of a terminal, where East Asian
// wide characters take two.
func cutToWidth(text string, columns int) string {
	used := 0
	for i, r := range text {
		used += runeWidth(r)
		if used > columns {
			return cutBefore(text[:i], columns)
		}
	}
	return text
}

// cutBefore makes room for the sign that something is missing.
func cutBefore(text string, columns int) string {
	for textWidth(text)+1 > columns && text != "" {
		runes := []rune(text)
		text = string(runes[:len(runes)-1])
	}
	return strings.TrimRight(text, " ") + "…"
}

func textWidth(text string) (columns int) {
	for _, r := range text {
		columns += runeWidth(r)
	}
	return columns
}

func runeWidth(r rune) int {
	switch width.LookupRune(r).Kind() {
	case width.EastAsianWide, width.EastAsianFullwidth:
		return 2
	}
	return 1
}
