package main

import (
	"context"
	"net"
	"time"

	"teikyo/handlers"
	"teikyo/internal/datadir"
)

// minFree is the space below which the server is not ready: what the database
// needs to end its work cleanly.
const minFree = 256 << 20

// readyTimeout bounds one answer of /readyz.
const readyTimeout = 5 * time.Second

// Ready looks at everything that must be well before the server may get
// requests.
func (a *app) Ready(ctx context.Context) handlers.Readiness {
	ctx, cancel := context.WithTimeout(ctx, readyTimeout)
	defer cancel()
	r := handlers.Readiness{Ready: true}
	add := func(name, problem string) {
		r.Checks = append(r.Checks, handlers.ReadinessCheck{Name: name, OK: problem == "", Problem: problem})
		r.Ready = r.Ready && problem == ""
	}
	add("database", a.databaseProblem(ctx))
	add("keys", a.keysProblem(ctx))
	add("clock", problemText(a.clock.Check()))
	add("second_place", a.secondPlaceProblem(ctx))
	add("objects", a.objectsText(ctx))
	add("disk", a.diskProblem())
	if a.draining.Load() {
		add("draining", "the server is about to stop")
	}
	r.Warnings = a.warnings()
	return r
}

func problemText(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

func (a *app) databaseProblem(ctx context.Context) string {
	if _, err := a.db.Head(ctx); err != nil {
		a.log.Error("the database does not answer", "error", err)
		return "the database does not answer"
	}
	return ""
}

// secondPlaceProblem asks the publisher, which knows how long an entry has
// waited, and the place itself, which may be gone while nothing happens.
func (a *app) secondPlaceProblem(ctx context.Context) string {
	if err := a.publisher.Healthy(); err != nil {
		a.log.Error("the second place is behind", "error", err)
		return "the second place for checkpoints is behind: nothing can be issued"
	}
	if _, err := a.second.Newest(ctx); err != nil {
		a.log.Error("the second place does not answer", "error", err)
		return "the second place for checkpoints does not answer"
	}
	return ""
}

// objectsText says what is wrong with the object store; the log says more.
func (a *app) objectsText(ctx context.Context) string {
	if err := a.objectsProblem(ctx); err != nil {
		a.log.Error("the object store does not answer", "error", err)
		return "the object store does not answer, or does not let the server in"
	}
	return ""
}

func (a *app) diskProblem() string {
	free, err := datadir.FreeSpace(a.folder.Root())
	switch {
	case err != nil:
		a.log.Error("the disk does not answer", "error", err)
		return "the disk of the data folder does not answer"
	case free < minFree:
		return "less than 256 MiB are free on the disk of the data folder"
	default:
		return ""
	}
}

// warnings are what is risky but works.
func (a *app) warnings() []string {
	var list []string
	if same, err := datadir.SameDisk(a.folder.Root(), a.secondDir); a.secondDir != "" && err == nil && same {
		list = append(list, "the second place for checkpoints is on the same disk as the data: a restored snapshot of that disk would not be noticed; set checkpoints_dir")
	}
	if addr, ok := a.listener.Addr().(*net.TCPAddr); ok && addr.IP.IsUnspecified() && a.cfg.PublicURL == "" {
		list = append(list, "public_url is not set: links start with "+a.publicURL+", which nobody can reach")
	}
	if a.cfg.AdminIsPublic() {
		list = append(list, "admin_listen reaches beyond this machine and asks for no password")
	}
	return list
}

// state is what the doctor and the key commands are told over the admin socket.
func (a *app) state(ctx context.Context) (serverState, error) {
	head, err := a.db.Head(ctx)
	if err != nil {
		return serverState{}, err
	}
	keks, err := a.kekStates(ctx)
	if err != nil {
		return serverState{}, err
	}
	return serverState{
		Address: a.address(), PublicURL: a.publicURL, Ready: a.Ready(ctx), LedgerSize: head.Size,
		SecondPlaceLag: a.publisher.Lag().Truncate(time.Millisecond).String(), KEKs: keks, CurrentKEK: a.kek.CurrentID(),
	}, nil
}

// serverState is a running server in a few lines.
type serverState struct {
	Address        string             `json:"address"`
	PublicURL      string             `json:"public_url"`
	Ready          handlers.Readiness `json:"readiness"`
	LedgerSize     int64              `json:"ledger_size"`
	SecondPlaceLag string             `json:"second_place_lag"`
	KEKs           []kekState         `json:"keks"`
	CurrentKEK     string             `json:"current_kek"`
}
