package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"teikyo/client"
)

// approversAtOnce is how many approvals are under way at a time.
const approversAtOnce = 16

// nodesPart compares the provisions per second of one node with those of two, on
// one PostgreSQL that syncs every commit.
func nodesPart(ctx context.Context, b *bench) (err error) {
	url, stop, err := startPostgres()
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, stop()) }()
	admin, err := freeAddress()
	if err != nil {
		return err
	}
	shared, err := os.MkdirTemp(b.dir, "shared")
	if err != nil {
		return err
	}
	h, err := openHouse(ctx, b, databaseSetting+url, "TEIKYO_STORAGE_URL=folder:"+filepath.Join(shared, "objects"),
		"TEIKYO_KEYS_DIR="+filepath.Join(shared, "keys"), "TEIKYO_CHECKPOINTS_DIR="+filepath.Join(shared, "checkpoints"), "TEIKYO_ADMIN_LISTEN="+admin)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, h.close(), os.RemoveAll(shared)) }()
	second := *h
	second.dir = filepath.Join(h.dir, "second")
	second.env = h.env[:len(h.env)-1] // without the address of the first one's profiles
	if err := second.start(ctx); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, second.stop()) }()
	return h.compareNodes(ctx, &second, admin)
}

func freeAddress() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	return l.Addr().String(), l.Close()
}

func (h *house) compareNodes(ctx context.Context, second *house, admin string) error {
	ds, err := h.manyFiles(ctx, 10, 1<<10)
	if err != nil {
		return err
	}
	one, err := h.api(h.alice)
	if err != nil {
		return err
	}
	other := *one
	other.Base = second.base
	n := pick(h.b, 400, 24)
	round := func(nodes ...*client.Client) func() (time.Duration, error) {
		return func() (time.Duration, error) { return h.approveAt(ctx, ds, n, nodes) }
	}
	d, err := fight(pick(h.b, 5, 1), round(one), round(one, &other))
	if err != nil {
		return err
	}
	top, err := h.whileProfiled(ctx, admin, round(one, &other))
	if err != nil {
		return err
	}
	rate := func(d time.Duration) string { return fmt.Sprintf("%.0f/s", float64(n)/d.Seconds()) }
	h.b.out.table(fmt.Sprintf("Two nodes on one PostgreSQL, %d cores for everything", runtime.NumCPU()))
	h.b.out.duel(fmt.Sprintf("provisions of 10 files of 1 KiB, %d at once, through HTTP; peer: one node", approversAtOnce), d, rate, 1.5)
	h.b.say("where the time of one node goes, while both work:\n%s", top)
	return nil
}

// approveAt makes n requests, and times their approvals, spread over the nodes.
func (h *house) approveAt(ctx context.Context, ds *draft, n int, nodes []*client.Client) (time.Duration, error) {
	ids := make([]string, n)
	err := inParallel(n, approversAtOnce, func(i int) error {
		var request struct{ ID string }
		err := ds.api.Call(ctx, "POST", "/api/v1/requests", h.requestFor(ds), &request)
		ids[i] = request.ID
		return err
	})
	if err != nil {
		return 0, err
	}
	return timed(func() error {
		return inParallel(n, approversAtOnce, func(i int) error {
			return nodes[i%len(nodes)].Call(ctx, "POST", "/api/v1/requests/"+ids[i]+"/approve", map[string]string{"reason": "bench"}, nil)
		})
	})
}

// whileProfiled does the work over and over until a profile of five seconds was
// taken, and gives its first lines.
func (h *house) whileProfiled(ctx context.Context, admin string, work func() (time.Duration, error)) (string, error) {
	file := filepath.Join(h.dir, "profile")
	taken := make(chan error, 1)
	go func() { taken <- fetchProfile(ctx, "http://"+admin+"/debug/pprof/profile?seconds=5", file) }()
	for {
		select {
		case err := <-taken:
			if err != nil {
				return "", err
			}
			out, err := exec.CommandContext(ctx, "go", "tool", "pprof", "-top", "-cum", "-nodecount", "40", h.program, file).CombinedOutput()
			return strings.TrimSpace(string(out)), err
		default:
		}
		if _, err := work(); err != nil {
			return "", err
		}
	}
}

func fetchProfile(ctx context.Context, url, file string) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("the profile: %s", resp.Status)
	}
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		return err
	}
	return os.WriteFile(file, text, 0o600)
}
