package main

import (
	"context"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"net/http"
	"strings"
	"sync"
	"time"
)

// downloadPart compares downloads over loopback with nginx serving the same
// sealed bytes. The same clients read from both, in a process beside them.
func downloadPart(ctx context.Context, b *bench) error {
	h, err := openHouse(ctx, b)
	if err != nil {
		return err
	}
	defer h.close()
	peer, err := startNginx(ctx, b)
	if err != nil {
		return err
	}
	defer peer.stop()
	size := pick(b, int64(1<<30), 32<<20)
	ours, err := h.publish(ctx, size)
	if err != nil {
		return err
	}
	sealed, err := ours.give(ctx, peer)
	if err != nil {
		return err
	}
	b.out.table("Download over loopback")
	theirs := target{url: peer.base + "/file"}
	if err := race(ctx, b, theirs, ours.whole(), 1, sealed, pick(b, 9, 1)); err != nil {
		return err
	}
	part := sealed / 4
	if err := race(ctx, b, theirs.first(part), ours.first(part), 64, part, pick(b, 5, 1)); err != nil {
		return err
	}
	return h.crowd(ctx, ours.target, theirs)
}

// target is what clients fetch.
type target struct {
	url   string
	bytes int64 // from the first one on; 0 means all
}

func (t target) first(n int64) target { return target{t.url, n} }
func (t target) whole() target        { return target{t.url, 0} }

// publication is a file of a parcel with an open download session.
type publication struct{ target }

// publish registers one file, provides it and redeems a link.
func (h *house) publish(ctx context.Context, size int64) (*publication, error) {
	api, err := h.api(h.mori)
	if err != nil {
		return nil, err
	}
	ds, err := newDraft(ctx, api, "anonymized")
	if err != nil {
		return nil, err
	}
	if err := h.putBig(ctx, ds, 0, size); err != nil {
		return nil, err
	}
	if err := ds.register(ctx); err != nil {
		return nil, err
	}
	_, provision, err := h.provideFor(ctx, ds)
	if err != nil {
		return nil, err
	}
	var link struct{ URL string }
	if err := api.Call(ctx, "POST", "/api/v1/links", map[string]any{"provision_id": provision, "bind": "none"}, &link); err != nil {
		return nil, err
	}
	_, token, _ := strings.Cut(link.URL, "/d/")
	var opened struct{ Session string }
	if err := h.server.Call(ctx, "POST", "/api/v1/links/redeem", map[string]string{"token": token}, &opened); err != nil {
		return nil, err
	}
	return &publication{target{url: h.base + opened.Session + "data/part-000000.bin.age"}}, nil
}

// give lets nginx serve the same bytes and says how many there are.
func (p *publication) give(ctx context.Context, peer *nginx) (int64, error) {
	resp, err := p.get(ctx, http.DefaultClient)
	if err != nil {
		return 0, err
	}
	defer resp.Body.Close()
	return resp.ContentLength, peer.hold(resp.Body)
}

// get asks for the bytes of a target.
func (t target) get(ctx context.Context, c *http.Client) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, t.url, nil)
	if err != nil {
		return nil, err
	}
	want := http.StatusOK
	if t.bytes > 0 {
		req.Header.Set("Range", fmt.Sprintf("bytes=0-%d", t.bytes-1))
		want = http.StatusPartialContent
	}
	resp, err := c.Do(req)
	if err != nil {
		return nil, err
	}
	if resp.StatusCode != want {
		resp.Body.Close()
		return nil, fmt.Errorf("%s instead of %d", resp.Status, want)
	}
	return resp, nil
}

// race lets clients fetch at once from the one and the other.
func race(ctx context.Context, b *bench, peer, ours target, clients int, each int64, rounds int) error {
	run := func(t target) func() (time.Duration, error) {
		return func() (time.Duration, error) {
			return timed(func() error {
				return inParallel(clients, clients, func(int) error { return fetch(ctx, t, each) })
			})
		}
	}
	d, err := fight(rounds, run(peer), run(ours))
	if err != nil {
		return err
	}
	what := fmt.Sprintf("%d client, %d MiB; peer: nginx, sendfile", clients, each>>20)
	if clients > 1 {
		what = fmt.Sprintf("%d clients at once, %d MiB each by a range; peer: nginx, sendfile", clients, each>>20)
	}
	b.out.duel(what, d, rate(each*int64(clients)), 0.9)
	return nil
}

// fetch reads a target over a connection of its own and throws it away.
func fetch(ctx context.Context, t target, want int64) error {
	transport := &http.Transport{DisableCompression: true, ReadBufferSize: 64 << 10}
	defer transport.CloseIdleConnections()
	resp, err := t.get(ctx, &http.Client{Transport: transport})
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	n, err := io.CopyBuffer(struct{ io.Writer }{io.Discard}, resp.Body, make([]byte, 256<<10))
	if err == nil && n != want {
		err = fmt.Errorf("%d bytes instead of %d", n, want)
	}
	return err
}

// crowd lets a thousand clients be in the middle of a download at once, and
// looks at the server's memory. The server is a new process, so that the peak is
// that of the crowd.
func (h *house) crowd(ctx context.Context, ours, peer target) error {
	const clients = 1000
	bytes := pick(h.b, int64(16<<20), 1<<20)
	sum, err := checksum(ctx, peer.first(bytes))
	if err != nil {
		return err
	}
	if err := h.restart(ctx, &ours); err != nil {
		return err
	}
	took, err := timed(func() error { return crowded(ctx, ours.first(bytes), clients, bytes, sum) })
	if err != nil {
		return err
	}
	peak, err := h.peakMemory()
	if err != nil {
		return err
	}
	h.b.out.line(fmt.Sprintf("%d clients in the middle of a download at once, %d MiB each, every checksum compared", clients, bytes>>20), "—",
		fmt.Sprintf("%s, no error, server's RSS %d MB", rate(bytes*clients)(took), peak), "—", "RSS ≤ 512 MB: "+met(peak <= 512))
	return nil
}

// restart starts the server anew, at a new port.
func (h *house) restart(ctx context.Context, t *target) error {
	before := h.base
	if err := h.stop(); err != nil {
		return err
	}
	if err := h.start(ctx); err != nil {
		return err
	}
	t.url = h.base + strings.TrimPrefix(t.url, before)
	return nil
}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

func checksum(ctx context.Context, t target) (uint32, error) {
	resp, err := t.get(ctx, http.DefaultClient)
	if err != nil {
		return 0, err
	}
	defer resp.Body.Close()
	sum := crc32.New(castagnoli)
	_, err = io.Copy(sum, resp.Body)
	return sum.Sum32(), err
}

// crowded fetches with so many clients of which none reads on before all have
// got their first bytes.
func crowded(ctx context.Context, t target, clients int, want int64, sum uint32) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var begun sync.WaitGroup
	begun.Add(clients)
	return inParallel(clients, clients, func(int) error {
		err := slowFetch(ctx, t, want, sum, &begun)
		if err != nil {
			cancel()
		}
		return err
	})
}

func slowFetch(ctx context.Context, t target, want int64, sum uint32, begun *sync.WaitGroup) error {
	transport := &http.Transport{DisableCompression: true}
	defer transport.CloseIdleConnections()
	resp, err := t.get(ctx, &http.Client{Transport: transport})
	if err != nil {
		begun.Done()
		return err
	}
	defer resp.Body.Close()
	got := crc32.New(castagnoli)
	buf := make([]byte, 32<<10)
	n, err := io.ReadFull(resp.Body, buf[:1024])
	begun.Done()
	if err != nil {
		return err
	}
	got.Write(buf[:n])
	begun.Wait()
	rest, err := io.CopyBuffer(struct{ io.Writer }{got}, resp.Body, buf)
	switch {
	case err != nil:
		return err
	case rest+int64(n) != want:
		return fmt.Errorf("%d bytes instead of %d", rest+int64(n), want)
	case got.Sum32() != sum:
		return errors.New("other bytes than nginx sent")
	}
	return nil
}
