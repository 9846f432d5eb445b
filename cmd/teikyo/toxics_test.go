//go:build unix

package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"
)

// toxiproxy is a running Toxiproxy server, which spoils connections when told to.
type toxiproxy struct {
	t   *testing.T
	api string
}

// toxic is a way to spoil a connection; see Toxiproxy's manual.
type toxic struct {
	Type       string         `json:"type"`
	Stream     string         `json:"stream,omitempty"` // downstream (to the client) or upstream
	Attributes map[string]int `json:"attributes"`
}

// newToxiproxy starts one until the end of the test. Without the program the test
// is skipped, with CI=true it fails: scripts/check.sh installs it.
func newToxiproxy(t *testing.T) *toxiproxy {
	t.Helper()
	program, err := exec.LookPath("toxiproxy-server")
	if tools := os.Getenv("TEST_TOOLS"); err != nil && tools != "" {
		program = filepath.Join(tools, "bin", "toxiproxy-server")
		_, err = os.Stat(program)
	}
	if err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal("toxiproxy-server is missing, and CI=true forbids to skip: ", err)
		}
		t.Skip("toxiproxy-server is missing; scripts/check.sh installs it")
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_, port, _ := net.SplitHostPort(l.Addr().String())
	l.Close()
	cmd := exec.Command(program, "-host", "127.0.0.1", "-port", port)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	p := &toxiproxy{t: t, api: "http://127.0.0.1:" + port}
	p.await()
	return p
}

func (p *toxiproxy) await() {
	p.t.Helper()
	limit, tick := time.After(20*time.Second), time.NewTicker(20*time.Millisecond)
	defer tick.Stop()
	for {
		if _, err := p.call("GET", "/version", nil); err == nil {
			return
		}
		select {
		case <-limit:
			p.t.Fatal("toxiproxy-server does not answer")
		case <-tick.C:
		}
	}
}

func (p *toxiproxy) call(method, path string, in any) ([]byte, error) {
	body, err := json.Marshal(in)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, method, p.api+path, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err == nil && resp.StatusCode >= 300 {
		err = fmt.Errorf("toxiproxy: %s %s: %d %s", method, path, resp.StatusCode, text)
	}
	return text, err
}

func (p *toxiproxy) must(method, path string, in any) []byte {
	p.t.Helper()
	text, err := p.call(method, path, in)
	if err != nil {
		p.t.Fatal(err)
	}
	return text
}

// before puts a proxy of that name before a server and returns where it listens.
func (p *toxiproxy) before(name, server string) (address string) {
	p.t.Helper()
	text := p.must("POST", "/proxies", map[string]any{"name": name, "listen": "127.0.0.1:0", "upstream": server, "enabled": true})
	var made struct{ Listen string }
	if err := json.Unmarshal(text, &made); err != nil {
		p.t.Fatal(err)
	}
	return made.Listen
}

// cut closes a proxy and all that passes it, until heal.
func (p *toxiproxy) cut(name string) {
	p.must("POST", "/proxies/"+name, map[string]any{"enabled": false})
}

// spoil adds toxics to what passes a proxy, and to what will, until heal.
func (p *toxiproxy) spoil(name string, toxics ...toxic) {
	p.t.Helper()
	for _, toxic := range toxics {
		p.must("POST", "/proxies/"+name+"/toxics", toxic)
	}
}

// heal makes all proxies pass everything again.
func (p *toxiproxy) heal() { p.must("POST", "/reset", nil) }

// plague is what can become of a network for a while.
type plague struct {
	name   string
	strike func(p *toxiproxy, at string)
}

// plagues are the faults of a network. Data break off after that many bytes of a
// connection.
func plagues(upstream, downstream int) []plague {
	both := func(kind string, attributes map[string]int) []toxic {
		return []toxic{{Type: kind, Stream: "upstream", Attributes: attributes}, {Type: kind, Stream: "downstream", Attributes: attributes}}
	}
	with := func(toxics ...toxic) func(*toxiproxy, string) {
		return func(p *toxiproxy, at string) { p.spoil(at, toxics...) }
	}
	return []plague{
		{"cut", func(p *toxiproxy, at string) { p.cut(at) }},
		{"slow", with(append(both("latency", map[string]int{"latency": 40, "jitter": 20}), both("bandwidth", map[string]int{"rate": 600})...)...)},
		{"reset", with(toxic{"reset_peer", "downstream", map[string]int{"timeout": 20}})},
		{"black hole", with(both("timeout", map[string]int{"timeout": 0})...)},
		{"deaf", with(toxic{"timeout", "upstream", map[string]int{"timeout": 0}})},
		{"mute", with(toxic{"timeout", "downstream", map[string]int{"timeout": 0}})},
		{"requests break off", with(toxic{"limit_data", "upstream", map[string]int{"bytes": upstream}})},
		{"answers break off", with(toxic{"limit_data", "downstream", map[string]int{"bytes": downstream}})},
	}
}
