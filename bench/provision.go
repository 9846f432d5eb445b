package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"teikyo/client"
)

// provisionPart times the second person's yes: from the request for approval to
// the answer with the receipt, over HTTP.
func provisionPart(ctx context.Context, b *bench) error {
	h, err := openHouse(ctx, b)
	if err != nil {
		return err
	}
	defer h.close()
	b.out.table("Provision")
	small, err := h.provideBySize(ctx)
	if err != nil {
		return err
	}
	if err := h.provideByCount(ctx); err != nil {
		return err
	}
	if err := h.reencrypt(ctx, small); err != nil {
		return err
	}
	return lockTime(ctx, b)
}

// provideBySize compares ten small files with ten big ones and returns the
// time of the small.
func (h *house) provideBySize(ctx context.Context) (time.Duration, error) {
	bigSize := pick(h.b, int64(h.b.big)<<20, 4<<20)
	small, err := h.manyFiles(ctx, 10, 1<<10)
	if err != nil {
		return 0, err
	}
	h.b.say("registering 10 files of %d MiB …", bigSize>>20)
	big, err := h.manyFiles(ctx, 10, bigSize)
	if err != nil {
		return 0, err
	}
	d, err := fight(pick(h.b, 31, 5),
		func() (time.Duration, error) { return h.provide(ctx, small) },
		func() (time.Duration, error) { return h.provide(ctx, big) })
	if err != nil {
		return 0, err
	}
	h.b.out.line("provision of 10 files of 1 KiB", "—", millis(d.peer), "—", "≤ 10 ms: "+met(d.peer <= 10*time.Millisecond))
	slower := float64(d.ours) / float64(d.peer)
	h.b.out.line(fmt.Sprintf("provision of 10 files of %d MiB, which stand for any size: no payload is read", bigSize>>20), "—", millis(d.ours),
		fmt.Sprintf("%.2f × the time of 1 KiB", slower), "≤ 1.2: "+met(slower <= 1.2))
	return d.peer, nil
}

// provideByCount shows that the time grows with the number of files.
func (h *house) provideByCount(ctx context.Context) error {
	var first float64
	for _, n := range pick(h.b, []int{1000, 10_000}, []int{20, 200}) {
		h.b.say("registering %d files …", n)
		ds, err := h.manyFiles(ctx, n, 1<<10)
		if err != nil {
			return err
		}
		var times []time.Duration
		for range pick(h.b, 5, 1) {
			took, err := h.provide(ctx, ds)
			if err != nil {
				return err
			}
			times = append(times, took)
		}
		perFile := float64(median(times).Nanoseconds()) / 1000 / float64(n)
		if first == 0 {
			first = perFile
		}
		h.b.out.line(fmt.Sprintf("provision of %d files of 1 KiB", n), "—", fmt.Sprintf("%s, %.0f µs a file", millis(median(times)), perFile),
			fmt.Sprintf("%.2f × a file of the first line", perFile/first), "linear")
	}
	return nil
}

// reencrypt compares a provision with what it replaces.
func (h *house) reencrypt(ctx context.Context, provision time.Duration) error {
	size := pick(h.b, int64(1<<30), 32<<20)
	source := filepath.Join(h.dir, "plain")
	if err := makeFile(source, size, 9, noise); err != nil {
		return err
	}
	var times []time.Duration
	for range pick(h.b, 3, 1) {
		took, err := timed(func() error {
			cmd := exec.CommandContext(ctx, ageProgram(), "-r", h.public, "-o", filepath.Join(h.dir, "again.age"), source)
			return cmd.Run()
		})
		if err != nil {
			return err
		}
		times = append(times, took)
		if err := os.Remove(filepath.Join(h.dir, "again.age")); err != nil {
			return err
		}
	}
	h.b.out.line(fmt.Sprintf("provision of 10 files; peer: age encrypts %d MiB again, no sync", size>>20), seconds(median(times)), millis(provision),
		fmt.Sprintf("%.0f", float64(median(times))/float64(provision)), "stated")
	return os.Remove(source)
}

// lockTime runs the benchmark of the use case, which needs no payloads for files
// of 10 GB and can look at the lock: how long a transaction of the approval keeps
// other writers waiting.
func lockTime(ctx context.Context, b *bench) error {
	rounds := pick(b, "20x", "1x")
	cmd := exec.CommandContext(ctx, "go", "test", "./provision", "-run", "^$", "-bench",
		pick(b, "BenchmarkApprove/^files=(10|10000)$", "BenchmarkApprove/^files=10$"), "-benchtime", rounds)
	out, err := cmd.CombinedOutput()
	if err != nil {
		return fmt.Errorf("go test ./provision: %w\n%s", err, out)
	}
	for line := range strings.Lines(string(out)) {
		name, rest, ok := strings.Cut(strings.TrimSpace(line), "\t")
		if !ok || !strings.HasPrefix(name, "BenchmarkApprove/") {
			continue
		}
		_, name, _ = strings.Cut(strings.TrimSpace(name), "/")
		name, _, _ = strings.Cut(name, "-")
		b.out.line("— without HTTP, rows alone: "+name+" bytes", "—", measured(rest, "median-ms")+" ms", "—", "stated")
		b.out.line("— — of these under the lock on the ledger's head, longest", "—", measured(rest, "held-ms")+" ms", "—", "stated")
	}
	return nil
}

// measured finds a figure by its unit in a line of go test -bench.
func measured(line, unit string) string {
	fields := strings.Fields(line)
	if i := slices.Index(fields, unit); i > 0 {
		return fields[i-1]
	}
	return "?"
}

// provide asks for a version and times the approval.
func (h *house) provide(ctx context.Context, ds *draft) (time.Duration, error) {
	took, _, err := h.provideFor(ctx, ds)
	return took, err
}

// requestFor is a request for a version.
func (h *house) requestFor(ds *draft) map[string]any {
	return map[string]any{
		"dataset": ds.ID, "version": ds.Version, "recipient": h.recipient, "agreement": h.agreement, "key": h.key,
		"purpose": "research", "words": "a benchmark", "method": "download", "until": day(90),
	}
}

func (h *house) provideFor(ctx context.Context, ds *draft) (took time.Duration, provision string, err error) {
	alice, err := h.api(h.alice)
	if err != nil {
		return 0, "", err
	}
	var request struct{ ID string }
	err = ds.api.Call(ctx, "POST", "/api/v1/requests", h.requestFor(ds), &request)
	if err != nil {
		return 0, "", err
	}
	var answer struct{ Provision struct{ ID string } }
	took, err = timed(func() error {
		return alice.Call(ctx, "POST", "/api/v1/requests/"+request.ID+"/approve", map[string]string{"reason": "bench"}, &answer)
	})
	return took, answer.Provision.ID, err
}

// manyFiles registers a version of n files of that size. Big ones are of no
// format and get a waiver: the gate would take longer than everything else.
func (h *house) manyFiles(ctx context.Context, n int, size int64) (*draft, error) {
	api, err := h.api(h.mori)
	if err != nil {
		return nil, err
	}
	ds, err := newDraft(ctx, api, "anonymized")
	if err != nil {
		return nil, err
	}
	put := putSmall
	if size > 1<<20 {
		put = h.putBig
	}
	if err := inParallel(n, 8, func(i int) error { return put(ctx, ds, i, size) }); err != nil {
		return nil, err
	}
	return ds, ds.register(ctx)
}

// putSmall sends a table of about size bytes.
func putSmall(ctx context.Context, ds *draft, i int, size int64) error {
	var table strings.Builder
	if err := claims(&table, size, uint64(i)); err != nil {
		return err
	}
	header := http.Header{"Content-Range": {fmt.Sprintf("bytes 0-%d/%d", table.Len()-1, table.Len())}}
	return ds.api.Send(ctx, "PUT", fmt.Sprintf("%s/files/part-%06d.csv?items=demographics", ds.path(), i), header,
		strings.NewReader(table.String()), nil)
}

// putBig sends bytes of no format, which come from memory, and has them waived.
func (h *house) putBig(ctx context.Context, ds *draft, i int, size int64) error {
	in, out := io.Pipe()
	go func() { out.CloseWithError(noise(out, size, uint64(i))) }()
	header := http.Header{"Content-Range": {fmt.Sprintf("bytes 0-%d/%d", size-1, size)}}
	var file struct{ Findings []struct{ ID string } }
	if err := ds.api.Send(ctx, "PUT", fmt.Sprintf("%s/files/part-%06d.bin?items=demographics", ds.path(), i), header, in, &file); err != nil {
		return err
	}
	alice, err := h.api(h.alice)
	if err != nil {
		return err
	}
	for _, f := range file.Findings {
		if err := waive(ctx, ds, alice, f.ID); err != nil {
			return err
		}
	}
	return nil
}

// waive lets a finding of the gate pass: one person asks, another one agrees.
func waive(ctx context.Context, ds *draft, other *client.Client, finding string) error {
	var waiver struct{ ID string }
	err := ds.api.Call(ctx, "POST", "/api/v1/waivers", map[string]any{
		"dataset": ds.ID, "version": ds.Version, "finding": finding, "reason": "bytes of a benchmark",
	}, &waiver)
	if err != nil {
		return err
	}
	return other.Call(ctx, "POST", "/api/v1/waivers/"+waiver.ID+"/approve", map[string]string{"reason": "bench"}, nil)
}

// inParallel calls f for 0 to n-1, so many at a time, and returns the first error.
func inParallel(n, atOnce int, f func(i int) error) error {
	var group sync.WaitGroup
	var once sync.Once
	var failed error
	next := make(chan int)
	for range atOnce {
		group.Go(func() {
			for i := range next {
				if err := f(i); err != nil {
					once.Do(func() { failed = err })
				}
			}
		})
	}
	for i := range n {
		next <- i
	}
	close(next)
	group.Wait()
	return failed
}
