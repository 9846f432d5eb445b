package handlers

import (
	"context"
	"io"
	"net/http"
	"time"

	"github.com/gin-gonic/gin"
)

const (
	// pourSlice is how many bytes the system may send between two looks at the
	// deadline and at the right to them. Larger slices are no faster, and a slow
	// client needs the deadline to move on.
	pourSlice = 64 << 10
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
	return &pour{ctx: ctx, c: c, to: to, w: w, control: http.NewResponseController(c.Writer)}
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
		slice := &io.LimitedReader{R: limited.R, N: min(limited.N, pourSlice)}
		n, err := p.to.ReadFrom(slice)
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

// move gives the client time for the next bytes.
func (p *pour) move() {
	if now := time.Now(); now.Sub(p.moved) > moveDeadline {
		p.moved = now
		_ = p.control.SetWriteDeadline(now.Add(stallLimit))
	}
}
