package handlers

import (
	"context"
	"io"
	"net/http"
	"time"

	"github.com/gin-gonic/gin"
)

const (
	// firstSlice and lastSlice bound how many bytes the system may send between two
	// looks at the deadline. A slow client needs the deadline to move on, so slices
	// start small; they grow for a client that takes one within sliceTime, because
	// each call costs it a pause.
	firstSlice = 64 << 10
	lastSlice  = 4 << 20
	sliceTime  = 100 * time.Millisecond
	// pouredKey is where the log finds how many bytes went past Gin.
	pouredKey = "handlers.poured"
)

// pour sends a body without bringing its bytes into the program (sendfile), which
// with many clients saves the third of the work that reading was.
type pour struct {
	ctx     context.Context
	c       *gin.Context
	to      io.ReaderFrom
	w       io.Writer
	control *http.ResponseController
	slice   int64 // bytes of the next slice
	moved   time.Time
	err     error // of the client's side
}

// newPour is nil where it would bring nothing: TLS has to see the bytes.
func newPour(ctx context.Context, c *gin.Context) *pour {
	if c.Request.TLS != nil || c.Request.ProtoMajor != 1 {
		return nil
	}
	inner, ok := c.Writer.(interface{ Unwrap() http.ResponseWriter })
	if !ok {
		return nil
	}
	w := inner.Unwrap()
	to, ok := w.(io.ReaderFrom)
	if !ok {
		return nil
	}
	return &pour{ctx: ctx, c: c, to: to, w: w, control: http.NewResponseController(c.Writer), slice: firstSlice}
}

// rest sends the bytes of body from sent on.
func (p *pour) rest(body io.Reader, sent, length int64) (int64, error) {
	n, err := io.Copy(p, body)
	p.c.Set(pouredKey, int(n))
	sent += n
	switch {
	case p.ctx.Err() != nil:
		return sent, context.Cause(p.ctx)
	case p.err != nil:
		return sent, p.err
	case err != nil:
		return sent, readError(err)
	case sent < length:
		return sent, readError(io.EOF)
	}
	return sent, nil
}

// Write implements io.Writer.
func (p *pour) Write(b []byte) (int, error) {
	p.move()
	n, err := p.w.Write(b)
	p.err = err
	return n, err
}

// ReadFrom implements io.ReaderFrom.
func (p *pour) ReadFrom(r io.Reader) (total int64, err error) {
	limited, ok := r.(*io.LimitedReader)
	if !ok {
		limited = &io.LimitedReader{R: r, N: 1 << 62}
	}
	for limited.N > 0 {
		if p.ctx.Err() != nil { // the connection is being cut, too
			return total, context.Cause(p.ctx)
		}
		p.move()
		slice := &io.LimitedReader{R: limited.R, N: min(limited.N, p.slice)}
		begun := time.Now()
		n, err := p.to.ReadFrom(slice)
		p.resize(time.Since(begun))
		total += n
		limited.N -= n
		if err != nil {
			p.err = err
			return total, err
		}
		if slice.N > 0 { // the end
			return total, nil
		}
	}
	return total, nil
}

// resize makes slices larger for a fast client and small again for one that has
// become slow.
func (p *pour) resize(took time.Duration) {
	switch {
	case took < sliceTime:
		p.slice = min(2*p.slice, lastSlice)
	case took > 10*sliceTime:
		p.slice = firstSlice
	}
}

// move gives the client time for the next bytes.
func (p *pour) move() {
	if now := time.Now(); now.Sub(p.moved) > moveDeadline {
		p.moved = now
		_ = p.control.SetWriteDeadline(now.Add(stallLimit))
	}
}
