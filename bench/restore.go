package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"teikyo/client"
)

// pagesPart times the start of a server with many provisions, and its pages.
func pagesPart(ctx context.Context, b *bench) error {
	var settings []string
	if b.postgres {
		url, stop, err := startPostgres()
		if err != nil {
			return err
		}
		defer stop()
		settings = append(settings, databaseSetting+url)
	}
	h, provision, err := filledHouse(ctx, b, settings...)
	if err != nil {
		return err
	}
	defer h.leave()
	b.out.table(fmt.Sprintf("Pages with %d provisions, PostgreSQL: %t", provisionsOf(b), b.postgres))
	if err := h.timeStart(ctx, "start until ready"); err != nil {
		return err
	}
	return h.timePages(ctx, provision)
}

// restorePart times a backup of a server with many provisions, and its restore.
func restorePart(ctx context.Context, b *bench) error {
	h, _, err := filledHouse(ctx, b)
	if err != nil {
		return err
	}
	defer h.leave()
	b.out.table(fmt.Sprintf("Backup and restore of %d provisions", provisionsOf(b)))
	if err := h.start(ctx); err != nil {
		return err
	}
	return h.timeRestore(ctx)
}

func provisionsOf(b *bench) int { return pick(b, 100_000, 500) }

// filledHouse is a stopped server with many provisions, and the id of a genuine
// one among them; the one that an earlier run kept, if there is one.
func filledHouse(ctx context.Context, b *bench, settings ...string) (*house, string, error) {
	if b.house != "" {
		if id, err := os.ReadFile(filepath.Join(b.house, "provision")); err == nil {
			h, err := buildHouse(ctx, b, b.house)
			return h, string(id), err
		}
	}
	h, err := openHouse(ctx, b, settings...)
	if err != nil {
		return nil, "", err
	}
	id, err := h.fill(ctx)
	if err == nil && b.house != "" {
		err = os.Rename(h.dir, b.house)
		h.dir, h.program = b.house, filepath.Join(b.house, "teikyo")
		h.alice, h.mori = h.person("alice"), h.person("mori")
	}
	return h, id, err
}

// fill makes one provision as people do, stops the server and multiplies it.
func (h *house) fill(ctx context.Context) (string, error) {
	ds, err := h.manyFiles(ctx, 3, 1<<10)
	if err != nil {
		return "", err
	}
	_, provision, err := h.provideFor(ctx, ds)
	if err != nil {
		return "", err
	}
	if err := h.stop(); err != nil {
		return "", err
	}
	n := provisionsOf(h.b)
	h.b.say("writing %d provisions …", n)
	took, err := timed(func() error { return h.multiply(ctx, provision, n) })
	if err != nil {
		return "", err
	}
	h.b.say("written in %s", seconds(took))
	_, err = h.write("provision", provision)
	return provision, err
}

// leave stops the server, and frees the disk unless the folder is kept.
func (h *house) leave() error {
	if h.b.house != "" {
		return h.stop()
	}
	return h.close()
}

func (h *house) timeStart(ctx context.Context, what string) error {
	took, err := timed(func() error { return h.start(ctx) })
	if err != nil {
		return err
	}
	h.b.out.line(what, "—", seconds(took), "—", "≤ 10 s: "+met(took <= 10*time.Second))
	return nil
}

// timePages asks for every list and report and times the answers.
func (h *house) timePages(ctx context.Context, provision string) error {
	api, err := h.api(h.alice)
	if err != nil {
		return err
	}
	rcpt := fmt.Sprintf("r-bench%011d", manyRecipients/2)
	from, to := day(-30), day(0)
	for _, path := range []string{
		"/provisions?limit=100", "/provisions?limit=100&recipient=" + rcpt, "/provisions/" + provision,
		"/requests?limit=100", "/requests?limit=100&recipient=" + rcpt, "/requests?limit=100&state=approved", "/requests?limit=100&state=submitted",
		"/links?limit=100", "/links?limit=100&provision=p-bench00000000042", "/recipients?limit=100", "/recipients?limit=100&q=Institute", "/datasets?limit=100",
		"/agreements?limit=100", "/notices?limit=100", "/users?limit=100", "/waivers?limit=100", "/webhooks",
		"/ledger/entries?limit=100", "/ledger/entries?limit=100&kind=provision.issued", "/ledger/entries?limit=100&kind=restored",
		"/ledger/entries?limit=100&noun=recipient&id=" + rcpt, "/ledger/entries?limit=100&noun=actor&id=nobody", "/ledger/proofs/12345", "/events?limit=100",
		"/reports/provisions?limit=100", "/reports/provisions?limit=100&from=" + day(-300) + "&to=" + from, "/reports/provisions?limit=100&recipient=" + rcpt,
		"/reports/provisions?limit=100&format=html&lang=ja", "/reports/provisions?limit=100&tests=true",
		"/reports/statement?limit=100&recipient=" + rcpt, "/reports/disclosures?limit=100", "/reports/disclosures?limit=100&every=true&recipient=" + rcpt,
		"/reports/access?limit=100&from=" + from + "&to=" + to, "/reports/open?limit=100", "/reports/open?limit=100&within=3660", "/reports/open?limit=100&within=3660&cursor=6:0.x",
	} {
		if err := h.timePage(ctx, api, path, 50*time.Millisecond); err != nil {
			return err
		}
	}
	for _, path := range []string{ // without a limit a report is an export
		"/reports/provisions?from=" + from + "&to=" + to + "&format=csv", "/reports/provisions?format=csv", "/reports/statement?recipient=" + rcpt,
		"/reports/disclosures", "/reports/open?within=3660",
	} {
		if err := h.timePage(ctx, api, path, 0); err != nil {
			return err
		}
	}
	return h.timeDeepPage(ctx, api)
}

// timePage times one page; with a limit of 0 its time is stated only.
func (h *house) timePage(ctx context.Context, api *client.Client, path string, limit time.Duration) error {
	var times []time.Duration
	size := int64(0)
	rounds := 7
	if limit == 0 {
		rounds = 1
	}
	for range rounds {
		took, err := timed(func() error {
			resp, err := api.Do(ctx, http.MethodGet, "/api/v1"+path, nil, nil)
			if err != nil {
				return err
			}
			defer resp.Body.Close()
			size, err = io.Copy(io.Discard, resp.Body)
			return err
		})
		if err != nil {
			h.b.out.line("`"+path+"`", "—", err.Error(), "—", "")
			return nil //nolint:nilerr // a page that is refused is a line of the report
		}
		times = append(times, took)
	}
	mid := median(times)
	if limit == 0 {
		h.b.out.line(fmt.Sprintf("`%s`, %d kB, whole", path, size/1000), "—", millis(mid), "—", "stated")
		return nil
	}
	h.b.out.line(fmt.Sprintf("`%s`, %d kB", path, size/1000), "—", millis(mid), "—", "≤ 50 ms: "+met(mid <= limit))
	return nil
}

// timeDeepPage goes to the middle of the longest list.
func (h *house) timeDeepPage(ctx context.Context, api *client.Client) error {
	var answer struct {
		Next string `json:"next_cursor"`
	}
	path, cursor := "/provisions?limit=500", ""
	for range pick(h.b, 100, 1) {
		var raw json.RawMessage
		if err := api.Call(ctx, http.MethodGet, "/api/v1"+path+cursor, nil, &raw); err != nil {
			return err
		}
		if err := json.Unmarshal(raw, &answer); err != nil || answer.Next == "" {
			break
		}
		cursor = "&cursor=" + answer.Next
	}
	return h.timePage(ctx, api, "/provisions?limit=100"+cursor, 50*time.Millisecond)
}

// timeRestore backs the running server up and restores into another folder.
func (h *house) timeRestore(ctx context.Context) error {
	data, file, fresh := filepath.Join(h.dir, "data"), filepath.Join(h.dir, "backup"), filepath.Join(h.dir, "fresh")
	run := func(args ...string) func() error {
		return func() error {
			out, err := exec.CommandContext(ctx, h.program, args...).CombinedOutput()
			if err != nil {
				return fmt.Errorf("teikyo %s: %w\n%s", args[0], err, out)
			}
			return nil
		}
	}
	if err := os.RemoveAll(file); err != nil { // of an earlier run of a kept house
		return err
	}
	took, err := timed(run("backup", "--data", data, "-o", file))
	if err != nil {
		return err
	}
	info, err := os.Stat(file)
	if err != nil {
		return err
	}
	database, err := os.Stat(filepath.Join(data, "teikyo.db"))
	if err != nil {
		return err
	}
	h.b.out.line(fmt.Sprintf("backup of the running server, read again (database %d MB, file %d MB)", database.Size()/1e6, info.Size()/1e6),
		"—", seconds(took), "—", "stated")
	if err := h.stop(); err != nil {
		return err
	}
	if err := os.Mkdir(fresh, 0o700); err != nil {
		return err
	}
	for _, name := range []string{"objects", "keys", "checkpoints"} { // brought there by other means
		if err := os.Rename(filepath.Join(data, name), filepath.Join(fresh, name)); err != nil {
			return err
		}
	}
	if took, err = timed(run("restore", file, "--data", fresh)); err != nil {
		return err
	}
	h.b.out.line("restore: digests, rows, ledger verified, every object looked for", "—", seconds(took), "—", "stated")
	if err := errors.Join(os.RemoveAll(data), os.Rename(fresh, data)); err != nil {
		return err
	}
	return h.timeStart(ctx, "start of the restored server until ready")
}
