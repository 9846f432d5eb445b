package s3

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"hash/crc32"
	"net/http"
	"slices"
	"sync"

	"github.com/minio/minio-go/v7"

	"teikyo/storage"
)

// multipart is an upload in parts: the next is read while others are sent.
type multipart struct {
	*put
	ctx    context.Context // ends with the first part that fails
	cancel context.CancelCauseFunc
	id     string
	sent   sync.WaitGroup
	mine   chan struct{} // permits of this Put

	mu    sync.Mutex
	parts []minio.CompletePart
}

// multipart sends a body that is longer than its first part.
func (p *put) multipart(first []byte) error {
	if _, err := p.s.stat(p.ctx, p.key); err == nil {
		p.s.buffers.put(first)
		return fmt.Errorf("storage/s3: put: %w", storage.ErrExists)
	}
	id, err := p.begin()
	if err != nil {
		p.s.buffers.put(first)
		return failed("put: begin", err)
	}
	m := &multipart{put: p, id: id, mine: make(chan struct{}, sparePer)}
	m.ctx, m.cancel = context.WithCancelCause(p.ctx)
	defer m.cancel(nil)
	if err = m.sendAll(first); err == nil {
		err = m.complete()
	}
	if err != nil {
		return errors.Join(err, m.abort())
	}
	return nil
}

// begin opens an upload in parts. The library does not ask again when it cannot
// read an answer that was cut; the upload that got lost is left to the sweep.
func (p *put) begin() (id string, err error) {
	opts := minio.PutObjectOptions{ContentType: contentType, UserMetadata: map[string]string{
		markHeader: p.mark, crcAlgorithm: "CRC32C", crcType: fullObject,
	}}
	for range attempts {
		id, err = p.s.core.NewMultipartUpload(p.ctx, p.s.bucket, p.s.object(p.key), opts)
		var answer minio.ErrorResponse
		if err == nil || errors.As(err, &answer) || p.ctx.Err() != nil {
			break
		}
	}
	return id, err
}

// sendAll reads the body to its end and sends every part.
func (m *multipart) sendAll(part []byte) error {
	defer m.sent.Wait()
	for number := 1; ; number++ {
		m.send(number, part)
		if err := context.Cause(m.ctx); err != nil {
			return err
		}
		if number == maxParts {
			return fmt.Errorf("storage/s3: put: %w: more than %d bytes", storage.ErrSize, int64(maxParts)*partSize)
		}
		buf := m.s.buffers.get()
		n, last, err := m.fill(buf)
		if err != nil {
			m.cancel(err)
			return err
		}
		part = buf[:n]
		if last {
			return m.sendLast(number+1, part)
		}
	}
}

// sendLast sends what came before the end of the body, perhaps nothing.
func (m *multipart) sendLast(number int, part []byte) error {
	if len(part) > 0 {
		m.send(number, part)
	}
	m.sent.Wait()
	return context.Cause(m.ctx)
}

// send sends a part: beside the reading when a permit is free, else at once. A
// slow body holds no permit, so that it keeps nobody else from sending.
func (m *multipart) send(number int, part []byte) {
	if !m.permit() {
		m.sendNow(number, part)
		return
	}
	m.sent.Go(func() {
		defer func() { <-m.s.spare; <-m.mine }()
		m.sendNow(number, part)
	})
}

func (m *multipart) permit() bool {
	select {
	case m.mine <- struct{}{}:
	default:
		return false
	}
	select {
	case m.s.spare <- struct{}{}:
		return true
	default:
		<-m.mine
		return false
	}
}

// sendNow sends a part and keeps the store's word for it.
func (m *multipart) sendNow(number int, part []byte) {
	defer m.s.buffers.put(part)
	sum := crcText(crc32.Checksum(part, castagnoli))
	done, err := m.s.core.PutObjectPart(m.ctx, m.s.bucket, m.s.object(m.key), m.id, number,
		bytes.NewReader(part), int64(len(part)), minio.PutObjectPartOptions{CustomHeader: http.Header{crcHeader: {sum}}})
	switch {
	case err != nil:
		err = failed(fmt.Sprintf("put: part %d", number), err)
	case done.ChecksumCRC32C != "" && done.ChecksumCRC32C != sum:
		err = fmt.Errorf("storage/s3: put: part %d: %w", number, storage.ErrCorrupt)
	}
	if err != nil {
		m.cancel(err)
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.parts = append(m.parts, minio.CompletePart{PartNumber: number, ETag: done.ETag, ChecksumCRC32C: sum})
}

// complete publishes the object.
func (m *multipart) complete() error {
	slices.SortFunc(m.parts, func(a, b minio.CompletePart) int { return cmp.Compare(a.PartNumber, b.PartNumber) })
	opts := minio.PutObjectOptions{UserMetadata: map[string]string{crcHeader: crcText(m.crc), crcType: fullObject}}
	opts.SetMatchETagExcept("*")
	info, err := m.s.core.CompleteMultipartUpload(m.ctx, m.s.bucket, m.s.object(m.key), m.id, m.parts, opts)
	return m.settle(info, err)
}

// abort removes the parts, also when the caller has gone. What it cannot remove
// the sweep does.
func (m *multipart) abort() error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(m.ctx), settleTimeout)
	defer cancel()
	err := m.s.core.AbortMultipartUpload(ctx, m.s.bucket, m.s.object(m.key), m.id)
	if err == nil || hasCode(err, codeNoSuchUpload) {
		return nil
	}
	return fmt.Errorf("and the unfinished upload stays until the sweep: %v", err)
}
