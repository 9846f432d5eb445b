package archive

import (
	"context"
	"errors"
	"fmt"
	"io"

	"teikyo/deid/source"
)

// budget is what one outer file and everything inside it may use.
type budget struct {
	limits source.Limits
	files  int
	bytes  int64
	depth  int
	spent  error // set once a limit is reached
}

// The limits that can be reached.
var (
	errFiles = errors.New("too many files")
	errBytes = errors.New("too many bytes")
	errRatio = errors.New("unfolds too far")
	errDepth = errors.New("nested too deep")
)

type budgetKey struct{}

// enter returns the budget of the outermost archive, one level deeper. leave goes
// back.
func enter(ctx context.Context, limits source.Limits) (inner context.Context, b *budget, leave func()) {
	b, ok := ctx.Value(budgetKey{}).(*budget)
	if !ok {
		b = &budget{limits: limits.OrDefault()}
		ctx = context.WithValue(ctx, budgetKey{}, b)
	}
	b.depth++
	if b.depth > b.limits.Depth && b.spent == nil {
		b.spent = errDepth
	}
	return ctx, b, func() { b.depth-- }
}

// file counts one more file.
func (b *budget) file() error {
	if b.files++; b.files > b.limits.Entries && b.spent == nil {
		b.spent = errFiles
	}
	return b.spent
}

// message says what to do about a limit.
func (b *budget) message() (rule, msg string) {
	switch b.spent {
	case errFiles: //nolint:errorlint // a value of ours, never wrapped
		return "too-many-entries", fmt.Sprintf("the archive holds more than %d files; split it", b.limits.Entries)
	case errDepth: //nolint:errorlint // as above
		return "archive-bomb", fmt.Sprintf("archives are nested more than %d deep; unpack the inner ones", b.limits.Depth)
	case errRatio: //nolint:errorlint // as above
		return "archive-bomb", fmt.Sprintf("the contents unfold to more than %.0f times their packed size; give the files unpacked", b.limits.Ratio)
	}
	return "archive-bomb", fmt.Sprintf("the contents unfold to more than %d bytes; split the archive", b.limits.Expanded)
}

// free is how much may unfold before the ratio counts, bytes.
const free = 16 << 20

// unfolding counts what comes out of a packed stream against what went in.
type unfolding struct {
	b   *budget
	r   io.Reader
	in  func() int64 // packed bytes so far
	out int64
}

func (u *unfolding) Read(p []byte) (int, error) {
	if u.b.spent != nil {
		return 0, u.b.spent
	}
	n, err := u.r.Read(p)
	u.out += int64(n)
	u.b.bytes += int64(n)
	switch {
	case u.b.bytes > u.b.limits.Expanded:
		u.b.spent = errBytes
	case u.out > free && float64(u.out) > u.b.limits.Ratio*float64(u.in()+1):
		u.b.spent = errRatio
	default:
		return n, err
	}
	return n, u.b.spent
}
