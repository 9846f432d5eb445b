package events

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"sync/atomic"
	"time"

	"teikyo/jobs"
	"teikyo/models"
)

// SyslogStore is the ledger and the place that was reached; *database.DB.
type SyslogStore interface {
	Ledger
	Update(ctx context.Context, fn func(ctx context.Context) error) error
	AddJob(ctx context.Context, j models.Job) error
	EventCursor(ctx context.Context, name string) (int64, error)
	SaveEventCursor(ctx context.Context, name string, next int64) error
}

// Syslog forwards every event to a syslog server by TLS (RFC 5424 in the frames of
// RFC 5425). It reads the ledger from a durable cursor, which moves on only after
// the receiver has closed the connection that carried the events, so that nothing
// is lost; after a break events may come twice, with the same index.
type Syslog struct {
	Store SyslogStore
	Feed  *Feed
	// Dial connects; package egress.
	Dial    func(ctx context.Context, network, address string) (net.Conn, error)
	Address string // HOST:PORT
	TLS     *tls.Config
	Host    string // HOSTNAME in messages
	Now     func() time.Time
	// Failed hears of trouble; may be nil.
	Failed func(error)

	behind atomic.Int64
}

// Behind is how many ledger entries the receiver has not confirmed, as of the
// last time this node forwarded.
func (s *Syslog) Behind() int64 {
	if s == nil {
		return 0
	}
	return s.behind.Load()
}

// Start makes the job that forwards, unless it is there.
func (s *Syslog) Start(ctx context.Context) error {
	return s.Store.Update(ctx, func(ctx context.Context) error {
		return s.Store.AddJob(ctx, models.Job{
			ID: SyslogJob, Kind: SyslogKind, Destination: SyslogKind, RunAt: s.Now(), CreatedAt: s.Now(),
		})
	})
}

// Work forwards until its context ends (jobs.Worker). A receiver that is out of
// reach is tried again by itself.
func (s *Syslog) Work(ctx context.Context, _ models.Job) jobs.Result {
	failures, retry := 0, shortestRetry
	for {
		err := s.forward(ctx)
		switch {
		case ctx.Err() != nil:
			return jobs.Result{Err: ctx.Err()}
		case err == nil:
			failures, retry = 0, shortestRetry
			err = s.rest(ctx, otherNodes)
		default:
			if failures%syslogRetryLog == 0 && s.Failed != nil {
				s.Failed(err)
			}
			failures++
			err = s.pause(ctx, retry)
			retry = min(2*retry, longestRetry)
		}
		if err != nil {
			return jobs.Result{Err: err}
		}
	}
}

// rest waits for news, or for the time to look for those of other nodes.
func (s *Syslog) rest(ctx context.Context, limit time.Duration) error {
	timer := time.NewTimer(limit)
	defer timer.Stop()
	select {
	case <-s.Feed.next():
	case <-timer.C:
	case <-ctx.Done():
		return ctx.Err()
	}
	return nil
}

func (s *Syslog) pause(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// forward sends what is new, one connection after the other, until nothing is.
func (s *Syslog) forward(ctx context.Context) error {
	for {
		next, err := s.Store.EventCursor(ctx, syslogCursor)
		if err != nil {
			return err
		}
		head, err := s.Store.Head(ctx)
		if err != nil {
			return err
		}
		s.behind.Store(head.Size - next)
		if head.Size <= next {
			return nil
		}
		if next, err = s.burst(ctx, next); err != nil {
			return err
		}
		err = s.Store.Update(ctx, func(ctx context.Context) error { return s.Store.SaveEventCursor(ctx, syslogCursor, next) })
		if err != nil {
			return err
		}
	}
}

// burst sends events by one connection and gives the entry after the last one
// that the receiver has read.
func (s *Syslog) burst(ctx context.Context, next int64) (int64, error) {
	conn, err := s.connect(ctx)
	if err != nil {
		return next, err
	}
	defer conn.Close()
	stop := context.AfterFunc(ctx, func() { conn.Close() })
	defer stop()
	lingered := false
	for sent := 0; sent < maxBurst; {
		r := reader{ledger: s.Store, limit: models.DefaultPage}
		found, after, _, err := r.from(ctx, next)
		if err != nil {
			return next, err
		}
		if len(found) == 0 {
			if lingered {
				break
			}
			lingered = true
			if err := s.rest(ctx, syslogLinger); err != nil {
				return next, err
			}
			continue
		}
		if err := s.send(conn, found); err != nil {
			return next, err
		}
		sent, next, lingered = sent+len(found), after, false
	}
	return next, confirm(conn)
}

func (s *Syslog) connect(ctx context.Context) (*tls.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, syslogTimeout)
	defer cancel()
	raw, err := s.Dial(ctx, "tcp", s.Address)
	if err != nil {
		return nil, fmt.Errorf("the syslog server cannot be reached: %w", err)
	}
	conn := tls.Client(raw, s.TLS)
	if err := conn.HandshakeContext(ctx); err != nil {
		raw.Close()
		return nil, fmt.Errorf("the syslog server and this one do not trust each other: %w", err)
	}
	return conn, nil
}

func (s *Syslog) send(conn *tls.Conn, found []Event) error {
	var frames []byte
	for _, e := range found {
		frames = appendFrame(frames, e, s.Host)
	}
	if err := conn.SetDeadline(time.Now().Add(syslogTimeout)); err != nil {
		return err
	}
	if _, err := conn.Write(frames); err != nil {
		return fmt.Errorf("the syslog server broke the connection: %w", err)
	}
	return nil
}

// confirm ends our side and waits until the receiver ends its own (RFC 5425,
// 4.4), which it does after it has read everything. Syslog has no other answer.
func confirm(conn *tls.Conn) error {
	err := errors.Join(conn.SetDeadline(time.Now().Add(syslogTimeout)), conn.CloseWrite())
	if err == nil {
		_, err = io.Copy(io.Discard, io.LimitReader(conn, maxAnswer))
	}
	// A receiver that ends the connection without ending TLS has read our end,
	// too.
	if errors.Is(err, io.ErrUnexpectedEOF) {
		err = nil
	}
	if err != nil {
		return fmt.Errorf("the syslog server did not confirm what it got: %w", err)
	}
	return nil
}
