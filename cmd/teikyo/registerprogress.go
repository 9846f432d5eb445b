package main

import (
	"fmt"
	"os"
	"sync"
	"time"

	"golang.org/x/term"

	"teikyo/client/arrival"
)

// sendProgress keeps one line about an upload on the terminal, if there is one.
type sendProgress struct {
	mu          sync.Mutex
	name        string
	before, now int64 // bytes of earlier files, of this one
	total       int64
	began       time.Time
	done        chan struct{}
	group       sync.WaitGroup
}

func (c *cli) startProgress(files []localFile) *sendProgress {
	p := &sendProgress{began: time.Now(), done: make(chan struct{})}
	for _, f := range files {
		p.total += f.size
	}
	out, ok := terminalOf(c.err)
	if !ok || c.quiet || c.json {
		return p
	}
	p.group.Go(func() { p.show(out) })
	return p
}

func (p *sendProgress) show(out *os.File) {
	ticker := time.NewTicker(progressEvery)
	defer ticker.Stop()
	for {
		select {
		case <-p.done:
			fmt.Fprint(out, "\r\x1b[K")
			return
		case now := <-ticker.C:
			columns := progressColumns
			if w, _, err := term.GetSize(int(out.Fd())); err == nil && w < columns {
				columns = w
			}
			fmt.Fprint(out, "\r\x1b[K"+cutToWidth(p.text(now), columns-1))
		}
	}
}

func (p *sendProgress) text(now time.Time) string {
	p.mu.Lock()
	defer p.mu.Unlock()
	sent := p.before + p.now
	text := fmt.Sprintf("%3d%%  %s of %s", min(100, sent*100/max(1, p.total)), arrival.Bytes(sent), arrival.Bytes(p.total))
	if seconds := now.Sub(p.began).Seconds(); seconds > 1 {
		text += "  " + arrival.Bytes(int64(float64(sent)/seconds)) + "/s"
	}
	return text + "  " + p.name
}

// begin says which file comes next.
func (p *sendProgress) begin(f localFile) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.before, p.now, p.name = p.before+p.now, 0, f.path
}

// restart counts the file from its start again.
func (p *sendProgress) restart() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.now = 0
}

func (p *sendProgress) add(n int64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.now += n
}

func (p *sendProgress) stop() {
	close(p.done)
	p.group.Wait()
}
