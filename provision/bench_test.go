package provision_test

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"teikyo/crypto"
	"teikyo/models"
	"teikyo/provision"
	"teikyo/storage/disk"
	"teikyo/storage/storagetest"
)

// rows registers a version of n files of that size whose payloads nobody reads:
// an approval must not look at them.
func (w *world) rows(id string, n int, size int64) {
	w.t.Helper()
	v := w.dataset(id, models.Anonymized, nil)
	v.FileCount, v.TotalSize, v.Digest = n, int64(n)*size, strings.Repeat("d", 64)
	w.save(func(ctx context.Context) error {
		errs := []error{w.db.SaveVersion(ctx, v)}
		for i := range n {
			key, err := crypto.NewFileKey(rand.Reader)
			errs = append(errs, err)
			fileID := fmt.Sprintf("f-%s-%06d", id, i)
			kekID, wrapped, err := crypto.WrapFileKey(ctx, w.kek, key, crypto.WrapContext{Purpose: crypto.WrapFile, FileID: fileID})
			errs = append(errs, err, w.db.SaveSealedFile(ctx, models.SealedFile{
				ID: fileID, State: models.SealedComplete, Size: size, SHA256: strings.Repeat("a", 64),
				PayloadSize: crypto.PayloadSize(size), PayloadSHA256: strings.Repeat("0", 64), KEKID: kekID, WrappedKey: wrapped,
				Segments: []models.Segment{{Key: fileID, Size: crypto.PayloadSize(size)}}, CreatedAt: monday, UpdatedAt: monday,
			}), w.db.SaveFile(ctx, models.File{
				ID: fileID, DatasetID: id, Version: 1, Number: i, Path: fmt.Sprintf("claims/2026/%06d.csv", i),
				Items: []models.Item{models.Demographics}, MediaType: "text/csv", SealedID: fileID, Size: size,
				SHA256: strings.Repeat("a", 64), CreatedAt: monday,
			}))
		}
		return errors.Join(errs...)
	})
}

// timed measures how long transactions hold the writers' queue.
type timed struct {
	provision.Store
	held []time.Duration
}

func (m *timed) Update(ctx context.Context, fn func(ctx context.Context) error) error {
	var start time.Time
	err := m.Store.Update(ctx, func(ctx context.Context) error {
		start = time.Now()
		return fn(ctx)
	})
	m.held = append(m.held, time.Since(start))
	return err
}

// BenchmarkApprove is the time from the second person's yes to the receipt, with
// real fsyncs: the same for files of 1 KB and 10 GB, linear in their number.
func BenchmarkApprove(b *testing.B) {
	for _, c := range []struct {
		files int
		size  int64
	}{{10, 1 << 10}, {10, 10 << 30}, {1000, 1 << 10}, {10_000, 1 << 10}, {50_000, 1 << 10}} {
		b.Run(fmt.Sprintf("files=%d/size=%d", c.files, c.size), func(b *testing.B) {
			w := newWorld(b)
			store, err := disk.New(b.TempDir())
			w.must(err)
			w.objects = storagetest.NewFaulty(store)
			w.svc.Objects = store
			w.rows("ds-bench", c.files, c.size)
			_, err = w.svc.PublishNotice(b.Context(), w.mia, provision.NoticeDraft{
				Class: models.Anonymized, Items: models.Items(), Methods: models.Methods(),
			})
			w.must(err)
			m := &timed{Store: w.db}
			w.svc.Store = m
			var times []time.Duration
			for range b.N {
				b.StopTimer()
				req, err := w.svc.Submit(b.Context(), w.mia, w.draft("ds-bench"))
				w.must(err)
				m.held = m.held[:0]
				b.StartTimer()
				start := time.Now()
				d, err := w.svc.Approve(b.Context(), w.ben, req.ID, "")
				times = append(times, time.Since(start))
				w.must(err)
				if d.Provision.Receipt == "" {
					b.Fatal("no receipt")
				}
			}
			slices.Sort(times)
			b.ReportMetric(float64(times[len(times)/2].Microseconds())/1000, "median-ms")
			b.ReportMetric(float64(slices.Max(m.held).Microseconds())/1000, "held-ms")
		})
	}
}
