package provision

import (
	"context"
	"errors"
	"math"
	"sync"
	"time"

	"teikyo/ledger"
	"teikyo/models"
	"teikyo/provision/parcel"
)

const (
	// flushEvery is how long a transfer waits before it is written down.
	flushEvery = time.Second
	// flushAt is how many are written at once, and maxPending how many may wait
	// when the database is slow: then those who transfer wait, too.
	flushAt    = 500
	maxPending = 20_000
	// flushLast bounds the last writing when the server stops.
	flushLast = 10 * time.Second
	// closeEvery is how often sessions are looked for whose link has ended.
	closeEvery = 5 * time.Second
	// maxLacking is how many sessions are remembered with the bytes that they
	// lack.
	maxLacking = 4096
)

// transferLog collects transfers until they are written.
type transferLog struct {
	kick  chan struct{}
	write sync.Mutex // one writer at a time

	mu      sync.Mutex
	pending []models.Transfer
	// lacking holds, for sessions with recent transfers, how many bytes must go
	// out at least before everything can have been fetched.
	lacking map[string]int64
}

func newTransferLog() *transferLog {
	return &transferLog{kick: make(chan struct{}, 1), lacking: map[string]int64{}}
}

// record keeps a transfer for the next writing.
func (s *Links) record(ctx context.Context, t models.Transfer) {
	var err error
	if t.ID, err = models.NewID(s.Rand, models.TransferID); err != nil {
		s.failed(err)
		return
	}
	log := s.state().log
	log.mu.Lock()
	log.pending = append(log.pending, t)
	n := len(log.pending)
	log.mu.Unlock()
	if n >= flushAt {
		select {
		case log.kick <- struct{}{}:
		default:
		}
	}
	if n >= maxPending {
		s.failed(s.flush(context.WithoutCancel(ctx)))
	}
}

// writeDown writes transfers every moment, and the last ones after ctx ended.
func (s *Links) writeDown(ctx context.Context) error {
	tick := time.NewTicker(flushEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			last, cancel := context.WithTimeout(context.WithoutCancel(ctx), flushLast)
			defer cancel()
			s.failed(s.flush(last))
			return ctx.Err()
		case <-tick.C:
		case <-s.log.kick:
		}
		s.failed(s.flush(ctx))
	}
}

// flush writes what is pending, and closes sessions that have fetched
// everything.
func (s *Links) flush(ctx context.Context) error {
	s.log.write.Lock()
	defer s.log.write.Unlock()
	s.log.mu.Lock()
	batch := s.log.pending
	s.log.pending = nil
	s.log.mu.Unlock()
	if len(batch) == 0 {
		return nil
	}
	err := s.Store.Update(ctx, func(ctx context.Context) error { return s.Store.AddTransfers(ctx, batch) })
	if err != nil {
		s.log.mu.Lock()
		s.log.pending = append(batch, s.log.pending...)
		s.log.mu.Unlock()
		return err
	}
	sent := map[string]int64{}
	for _, t := range batch {
		sent[t.SessionID] += t.Bytes
	}
	var errs []error
	for id, n := range sent {
		errs = append(errs, s.checkWhole(ctx, id, n))
	}
	return errors.Join(errs...)
}

// checkWhole closes a session when all bytes were fetched. Counting means
// reading the whole listing, so it waits until enough bytes have gone out.
func (s *Links) checkWhole(ctx context.Context, sessionID string, sent int64) error {
	if !s.log.mayBeWhole(sessionID, sent) {
		return nil
	}
	session, err := s.Store.DownloadSession(ctx, sessionID)
	if err != nil {
		return err
	}
	if !session.ClosedAt.IsZero() {
		s.log.lacks(sessionID, math.MaxInt64)
		return nil
	}
	sum, err := s.sum(ctx, session)
	if err != nil {
		return err
	}
	s.log.lacks(sessionID, sum.lacking())
	if !sum.Complete {
		return nil
	}
	return s.close(ctx, session, sum, "all bytes were fetched")
}

// mayBeWhole counts what was sent and reports whether it could be everything.
func (l *transferLog) mayBeWhole(sessionID string, sent int64) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	lack, known := l.lacking[sessionID]
	if !known || lack <= sent {
		return true
	}
	l.lacking[sessionID] = lack - sent
	return false
}

// lacks remembers what a session lacks. When there are too many, any others are
// forgotten and counted again.
func (l *transferLog) lacks(sessionID string, n int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for other := range l.lacking {
		if len(l.lacking) < maxLacking {
			break
		}
		delete(l.lacking, other)
	}
	l.lacking[sessionID] = n
}

// closedDetails sum up a session.
type closedDetails struct {
	Why       string    `json:"why"`
	OpenedAt  time.Time `json:"opened_at"`
	Files     int       `json:"files"`
	FilesDone int       `json:"files_whole"` // of which every byte went out
	Bytes     int64     `json:"bytes"`       // of the parcel
	Covered   int64     `json:"bytes_covered"`
	Sent      int64     `json:"bytes_sent"` // with what went out twice
	Complete  bool      `json:"all_bytes_fetched"`
	// Unknown says that the parcel could not be read any more, so that files,
	// bytes and all_bytes_fetched say nothing.
	Unknown bool `json:"parcel_unreadable,omitempty"`
}

func (d closedDetails) lacking() int64 {
	if d.Unknown {
		return math.MaxInt64
	}
	return max(1, d.Bytes-d.Covered)
}

// sum counts what a session fetched of its parcel.
func (s *Links) sum(ctx context.Context, session models.DownloadSession) (closedDetails, error) {
	d := closedDetails{OpenedAt: session.OpenedAt}
	covered, err := s.covered(ctx, session.ID, &d)
	if err != nil {
		return d, err
	}
	prov, err := s.Store.Provision(ctx, session.ProvisionID)
	if err != nil {
		return d, err
	}
	reader, err := s.Parcels.Parcel(ctx, prov)
	if err == nil {
		err = d.count(ctx, reader, covered)
	}
	if err != nil && !models.IsKind(err, models.Unavailable) && ctx.Err() == nil {
		d.Unknown, err = true, nil // destroyed, for example: the session ends all the same
	}
	return d, err
}

// covered is how many different bytes of each path went out.
func (s *Links) covered(ctx context.Context, sessionID string, d *closedDetails) (map[string]int64, error) {
	covered := map[string]int64{}
	path, reached := "", int64(0)
	for t, err := range s.Store.Transfers(ctx, sessionID) {
		if err != nil {
			return nil, err
		}
		if t.Path != path {
			path, reached = t.Path, 0
		}
		d.Sent += t.Bytes
		if end := t.From + t.Bytes; end > reached {
			n := end - max(t.From, reached)
			covered[path] += n
			d.Covered += n
			reached = end
		}
	}
	return covered, nil
}

func (d *closedDetails) count(ctx context.Context, reader *parcel.Reader, covered map[string]int64) error {
	for e, err := range reader.Entries(ctx) {
		if err != nil {
			return err
		}
		d.Files++
		d.Bytes += e.Size
		if covered[e.Path] >= e.Size {
			d.FilesDone++
		}
	}
	d.Complete = d.Files == d.FilesDone
	return nil
}

// close writes the entry that sums up a session; one session has one.
func (s *Links) close(ctx context.Context, session models.DownloadSession, d closedDetails, why string) error {
	d.Why = why
	return s.Store.Update(ctx, func(ctx context.Context) error {
		first, err := s.Store.CloseDownloadSession(ctx, session.ID, s.now())
		if err != nil || !first {
			return err
		}
		link, err := s.Store.Link(ctx, session.LinkID)
		if err != nil {
			return err
		}
		prov, err := s.Store.Provision(ctx, session.ProvisionID)
		if err != nil {
			return err
		}
		entry := s.linkEntry(ledger.DownloadClosed, link, prov, "system", d)
		entry.IDs["session"] = session.ID
		return s.Store.Append(ctx, entry)
	})
}

// closeEnded closes sessions that have ended: by time every moment, and all
// kinds of ends after something ended early.
func (s *Links) closeEnded(ctx context.Context, ended <-chan struct{}) error {
	tick := time.NewTicker(closeEvery)
	defer tick.Stop()
	again := false
	for {
		all := again
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-ended:
			all = true
		case <-tick.C:
		}
		left, err := s.closeSessions(ctx, all)
		again = all && (left || err != nil)
		if ctx.Err() == nil {
			s.failed(err)
		}
	}
}

// closeSessions closes what has ended and reports whether some could not be
// closed yet, because their last bytes are still to be counted.
func (s *Links) closeSessions(ctx context.Context, all bool) (left bool, err error) {
	if err := s.flush(ctx); err != nil {
		return true, err
	}
	endedBy := s.now()
	if all {
		endedBy = time.Time{}
	}
	var errs []error
	for page := (models.Page{Limit: models.MaxPage}); ; {
		sessions, err := s.Store.OpenDownloadSessions(ctx, endedBy, page)
		if err != nil {
			return true, errors.Join(append(errs, err)...)
		}
		for _, session := range sessions {
			page.After = models.TimeCursor(session.OpenedAt, session.ID)
			waits, err := s.closeSession(ctx, session)
			left = left || waits
			errs = append(errs, err)
		}
		if len(sessions) < page.Size() {
			return left, errors.Join(errs...)
		}
	}
}

// closeSession closes a session that has ended, unless bytes of it still go out.
func (s *Links) closeSession(ctx context.Context, session models.DownloadSession) (waits bool, err error) {
	ended := s.rights(ctx, &door{session: session})
	if ended == nil || !models.IsKind(ended, models.Expired) {
		return ended != nil, ended
	}
	if s.doors.busy(session.ID) {
		return true, nil
	}
	// Whoever held the session has recorded before letting go of it.
	if err := s.flush(ctx); err != nil {
		return true, err
	}
	sum, err := s.sum(ctx, session)
	if err != nil {
		return true, err
	}
	return false, s.close(ctx, session, sum, ended.Error())
}
