package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"teikyo/client"
)

// registerPart compares the way of a file into the server with the pipe that
// people use instead of one.
func registerPart(ctx context.Context, b *bench) error {
	h, err := openHouse(ctx, b)
	if err != nil {
		return err
	}
	defer h.close()
	b.out.table("Registering a file")
	size := pick(b, int64(1<<30), 32<<20)
	for _, c := range []struct {
		what, name string
		fill       func(io.Writer, int64, uint64) error
		target     float64
	}{
		{"PUT of %d MiB of no format, gate off after its first bytes, fsync", "noise.bin", noise, 1},
		{"PUT and registration of %d MiB of CSV, gate on, fsync", "claims.csv", claims, 0},
	} {
		source := filepath.Join(h.dir, c.name)
		if err := makeFile(source, size, 1, c.fill); err != nil {
			return err
		}
		d, err := h.registerDuel(ctx, source, c.target == 0)
		if err != nil {
			return err
		}
		what := fmt.Sprintf(c.what, size>>20) + "; peer: tee, sha256sum, age, tee, sha256sum, sync"
		b.out.duel(what, d, rate(size), c.target)
		if err := os.Remove(source); err != nil {
			return err
		}
	}
	return nil
}

// rate writes a time with the bytes a second.
func rate(size int64) func(time.Duration) string {
	return func(d time.Duration) string {
		return fmt.Sprintf("%s, %.0f MB/s", seconds(d), float64(size)/1e6/d.Seconds())
	}
}

func (h *house) registerDuel(ctx context.Context, source string, freeze bool) (duel, error) {
	peer := func() (time.Duration, error) { return h.agePipe(ctx, source) }
	ours, err := h.registering(ctx, source, freeze)
	if err != nil {
		return duel{}, err
	}
	return fight(pick(h.b, 5, 1), peer, ours)
}

// registering times the upload of a file, and its registration when freeze is set.
func (h *house) registering(ctx context.Context, source string, freeze bool) (func() (time.Duration, error), error) {
	api, err := h.api(h.mori)
	if err != nil {
		return nil, err
	}
	return func() (took time.Duration, err error) {
		ds, err := newDraft(ctx, api, "anonymized")
		if err != nil {
			return 0, err
		}
		took, err = timed(func() error {
			if err := ds.put(ctx, filepath.Base(source), source); err != nil || !freeze {
				return err
			}
			return ds.register(ctx)
		})
		if err == nil && !freeze {
			err = ds.discard(ctx)
		}
		return took, err
	}, nil
}

// agePipe encrypts the file with the digests of both sides, to disk.
func (h *house) agePipe(ctx context.Context, source string) (time.Duration, error) {
	target := filepath.Join(h.dir, "piped.age")
	defer os.Remove(target)
	const script = `tee >(sha256sum > "$2.plain") < "$1" | "$3" -r "$4" | tee >(sha256sum > "$2.sealed") > "$2" && sync "$2"; status=$?; wait; exit $status`
	cmd := exec.CommandContext(ctx, "bash", "-o", "pipefail", "-c", script, "bash", source, target, ageProgram(), h.public)
	cmd.Stderr = h.b.log
	return timed(cmd.Run)
}

// ageProgram is the newest age of the tools for tests, else that of the system.
func ageProgram() string {
	for _, path := range []string{"dist/tools/bin/age-1.3.2"} {
		if _, err := os.Stat(path); err == nil {
			return path
		}
	}
	return "age"
}

// draft is a version of a dataset that is being filled.
type draft struct {
	api     *client.Client
	ID      string `json:"id"`
	Version int    `json:"version"`
}

func newDraft(ctx context.Context, api *client.Client, class string) (*draft, error) {
	ds := &draft{api: api}
	return ds, api.Call(ctx, "POST", "/api/v1/datasets", map[string]string{"title": "bench", "class": class}, ds)
}

func (ds *draft) path() string {
	return fmt.Sprintf("/api/v1/datasets/%s/versions/%d", ds.ID, ds.Version)
}

// put streams a file from disk.
func (ds *draft) put(ctx context.Context, name, source string) error {
	f, err := os.Open(source)
	if err != nil {
		return err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return err
	}
	header := http.Header{"Content-Range": {fmt.Sprintf("bytes 0-%d/%d", info.Size()-1, info.Size())}}
	return ds.api.Send(ctx, "PUT", ds.path()+"/files/"+name+"?items=demographics", header, f, nil)
}

func (ds *draft) register(ctx context.Context) error {
	return ds.api.Call(ctx, "POST", ds.path()+"/register", nil, nil)
}

func (ds *draft) discard(ctx context.Context) error {
	return ds.api.Call(ctx, "DELETE", ds.path(), nil, nil)
}

// longCalls is a transport for calls that take minutes to answer.
func longCalls() *http.Client {
	return &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 64, WriteBufferSize: 1 << 16}}
}
