package main

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"runtime"
	"strings"
	"time"
)

// report writes the results as Markdown, ready for docs/benchmarks.md.
type report struct{ w io.Writer }

func (r *report) machine(quick bool) {
	fmt.Fprintf(r.w, "Machine: %s, %d cores, %s, %s/%s, load at start %s\n",
		processor(), runtime.NumCPU(), runtime.Version(), runtime.GOOS, runtime.GOARCH, load())
	if quick {
		fmt.Fprintln(r.w, "Quick run: small sizes, the figures mean little.")
	}
}

func (r *report) machineAfter() { fmt.Fprintf(r.w, "\nLoad at the end %s\n", load()) }

// table starts a part.
func (r *report) table(title string) {
	fmt.Fprintf(r.w, "\n### %s\n\n| what | peer | Teikyo | ratio | target |\n|---|---|---|---|---|\n", title)
}

// duel adds a line; show writes the median of a round. target may be empty.
func (r *report) duel(what string, d duel, show func(time.Duration) string, target float64) {
	wish := "stated"
	if target > 0 {
		wish = fmt.Sprintf("≥ %.1f: %s", target, met(d.ratio >= target))
	}
	r.line(what, show(d.peer), show(d.ours), fmt.Sprintf("%.2f (%.2f to %.2f)", d.ratio, d.low, d.high), wish)
}

func (r *report) line(cells ...string) { fmt.Fprintf(r.w, "| %s |\n", strings.Join(cells, " | ")) }

func met(ok bool) string {
	if ok {
		return "met"
	}
	return "**not met**"
}

// load is how busy the machine is, over 1 and 5 minutes.
func load() string {
	text, err := os.ReadFile("/proc/loadavg")
	fields := strings.Fields(string(text))
	if err != nil || len(fields) < 2 {
		return "unknown"
	}
	return fields[0] + " (1 min) " + fields[1] + " (5 min)"
}

func processor() string {
	f, err := os.Open("/proc/cpuinfo")
	if err != nil {
		return "unknown processor"
	}
	defer f.Close()
	lines := bufio.NewScanner(f)
	for lines.Scan() {
		if name, value, ok := strings.Cut(lines.Text(), ":"); ok && strings.TrimSpace(name) == "model name" {
			return strings.TrimSpace(value)
		}
	}
	return "unknown processor"
}

func millis(d time.Duration) string  { return fmt.Sprintf("%.2f ms", float64(d.Microseconds())/1000) }
func seconds(d time.Duration) string { return fmt.Sprintf("%.2f s", d.Seconds()) }

// each writes the time of one of n operations of a round.
func each(n int) func(time.Duration) string {
	return func(d time.Duration) string {
		return fmt.Sprintf("%.0f µs", float64(d.Nanoseconds())/1000/float64(n))
	}
}
