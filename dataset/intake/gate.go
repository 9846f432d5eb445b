package intake

import (
	"context"
	"errors"
	"fmt"
	"io"
	"runtime"

	"teikyo/deid"
	"teikyo/models"
	"teikyo/storage"
)

// gateQueue is how many blocks the gate may be behind the upload; a block is at
// most one read, 64 KiB.
const gateQueue = 64

// errGateAborted ends a check whose upload did not come to its end.
var errGateAborted = errors.New("intake: the upload ended early")

// gateRun is a check that runs beside an upload. It gets copies of the bytes
// through a bounded queue: a slow gate slows the upload, memory stays flat.
type gateRun struct {
	blocks chan []byte   // to the gate; closed at a clean end
	spare  chan []byte   // back from it
	quit   chan struct{} // closed when the upload ended early
	over   chan struct{} // closed when Check has returned

	cur, rest []byte // reader side
	report    deid.Report
	err       error
}

func startGate(ctx context.Context, gate deid.Gate, path string, p *deid.Profile) *gateRun {
	g := &gateRun{
		blocks: make(chan []byte, gateQueue), spare: make(chan []byte, gateQueue+2),
		quit: make(chan struct{}), over: make(chan struct{}),
	}
	go func() {
		defer close(g.over)
		defer g.survive()
		g.report, g.err = gate.Check(ctx, path, g, p)
	}()
	return g
}

// survive keeps a fault of the gate, which reads whatever people send, from
// ending the server. What the panic said may hold data and is left out.
func (g *gateRun) survive() {
	v := recover()
	if v == nil {
		return
	}
	g.report, g.err = deid.Report{}, errors.New("intake: the gate panicked")
	if known, ok := v.(runtime.Error); ok {
		g.err = fmt.Errorf("intake: the gate panicked: %w", known)
	}
}

// feed hands a copy of p on; after the gate has seen enough it does nothing.
func (g *gateRun) feed(p []byte) {
	if len(p) == 0 {
		return
	}
	var block []byte
	select {
	case block = <-g.spare:
	case <-g.over:
		return
	default:
	}
	select {
	case g.blocks <- append(block[:0], p...):
	case <-g.over:
	}
}

// Read is the gate's side.
func (g *gateRun) Read(p []byte) (int, error) {
	for len(g.rest) == 0 {
		if g.cur != nil {
			clear(g.cur)
			g.spare <- g.cur // never blocks: there are fewer blocks than places
			g.cur = nil
		}
		select {
		case block, ok := <-g.blocks:
			if !ok {
				return 0, io.EOF
			}
			g.cur, g.rest = block, block
		case <-g.quit:
			return 0, errGateAborted
		}
	}
	n := copy(p, g.rest)
	g.rest = g.rest[n:]
	return n, nil
}

// finish says that everything was fed and gives the report.
func (g *gateRun) finish() (deid.Report, error) {
	close(g.blocks)
	<-g.over
	return g.report, g.err
}

// abort ends the check without a result. The source may still be feeding.
func (g *gateRun) abort() {
	close(g.quit)
	<-g.over
}

// StoredReport is the row of a report that is bound to contents.
func (d *Desk) StoredReport(r deid.Report, sha256hex string) (models.GateReport, error) {
	id, err := models.NewID(d.Rand, models.ReportID)
	if err != nil {
		return models.GateReport{}, err
	}
	r = r.Bind(sha256hex)
	text, err := r.JSON()
	if err != nil {
		return models.GateReport{}, models.Wrap(models.Internal, err, "the gate's report cannot be encoded")
	}
	return models.GateReport{
		ID: id, SHA256: sha256hex, Profile: r.Profile, Verdict: string(r.Verdict), Findings: r.Findings, Report: text,
		CreatedAt: d.now(),
	}, nil
}

// Segments is the storage's view of a sealed file.
func Segments(f models.SealedFile) []storage.Segment {
	list := make([]storage.Segment, len(f.Segments))
	for i, seg := range f.Segments {
		list[i] = storage.Segment{Key: seg.Key, Size: seg.Size}
	}
	return list
}
