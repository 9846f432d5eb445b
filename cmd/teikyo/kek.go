package main

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"os"
	"slices"
	"strings"
	"time"

	"teikyo/crypto"
	"teikyo/dataset/intake"
	"teikyo/keys"
	"teikyo/models"
	"teikyo/recipient"
	"teikyo/storage"
)

// needsKeyFiles reports whether a version stands in a file of the keys folder.
func needsKeyFiles(versions []models.KEKVersion) bool {
	return slices.ContainsFunc(versions, func(v models.KEKVersion) bool {
		return strings.HasPrefix(v.ID, "kek-") && v.State != models.KEKDestroyed
	})
}

// openKEK opens the key-encryption key and compares it with the database.
func (a *app) openKEK(ctx context.Context, dir string) error {
	var err error
	if a.kek, err = openKeyring(a.cfg, dir, system{clock: a.clock, rand: a.rand}); err != nil {
		return keysRefused(dir, err)
	}
	var random [8]byte
	if _, err := io.ReadFull(a.rand, random[:]); err != nil {
		return models.Wrap(models.Internal, err, "no randomness")
	}
	host, _ := os.Hostname()
	a.keks = &keys.Service{
		Store: a.db, Ring: a.kek, Contexts: wrapContexts(), Read: a.readSealed, Now: a.clock.Now, Log: a.log,
		Node: hex.EncodeToString(random[:]), Name: host + " (" + a.publicURL + ")",
	}
	if a.db.Shared() {
		a.keks.Nodes = a.db
	}
	if err := a.keks.Open(ctx); err != nil {
		var known *models.Error
		if errors.As(err, &known) {
			return models.Wrap(known.Kind, nil, "the server does not start: "+known.Msg)
		}
		if errors.Is(err, crypto.ErrProvider) {
			return models.Wrap(models.Unavailable, nil, "the server does not start: "+err.Error())
		}
		return keysRefused(dir, err)
	}
	if a.keks.Nodes != nil {
		a.loops = append(a.loops, a.keks.Run)
	}
	return nil
}

// wrapContexts say, for every kind of row that keeps something wrapped, what the
// wrap is bound to. What has no line here would be left behind by a rotation.
func wrapContexts() map[models.WrapShelf]func(models.Wrapped) ([]byte, error) {
	webhook := func(w models.Wrapped) ([]byte, error) { return models.WebhookContext(w.ID), nil }
	return map[models.WrapShelf]func(models.Wrapped) ([]byte, error){
		models.ShelfSealedFiles: func(w models.Wrapped) ([]byte, error) {
			bound, err := intake.WrapContext(models.SealedFile{ID: w.ID, State: w.State, PayloadSHA256: w.PayloadSHA256})
			return bound.Bytes(), err
		},
		models.ShelfDocuments:    func(w models.Wrapped) ([]byte, error) { return recipient.DocumentContext(w.ID), nil },
		models.ShelfChallenges:   func(w models.Wrapped) ([]byte, error) { return recipient.ChallengeContext(w.ID), nil },
		models.ShelfWebhooks:     webhook,
		models.ShelfDeidKeys:     func(w models.Wrapped) ([]byte, error) { return models.DeidKeyContext(w.ID), nil },
		models.ShelfDestinations: func(w models.Wrapped) ([]byte, error) { return models.DestinationContext(w.ID), nil },
	}
}

// readSealed opens the first chunk of a sealed file.
func (a *app) readSealed(ctx context.Context, id string, key crypto.FileKey) error {
	f, err := a.db.SealedFile(ctx, id)
	if err != nil {
		return err
	}
	segments := make([]storage.Segment, len(f.Segments))
	for i, s := range f.Segments {
		segments[i] = storage.Segment{Key: s.Key, Size: s.Size}
	}
	payload := storage.OpenSegments(ctx, a.objects, segments, 0, -1)
	defer payload.Close()
	plain, err := crypto.NewOpener(key, payload)
	if err != nil {
		return err
	}
	if _, err := io.CopyN(io.Discard, plain, crypto.ChunkSize); err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	return nil
}

// leaveTimeout bounds how long a node that stops says so.
const leaveTimeout = 2 * time.Second

func (a *app) leave() error {
	ctx, cancel := context.WithTimeout(context.Background(), leaveTimeout)
	defer cancel()
	if err := a.keks.Leave(ctx); err != nil { // it is forgotten after a minute
		a.log.Warn("the other nodes were not told that this one stops", "error", err)
	}
	return nil
}

// keysProblem says why keys cannot be wrapped and unwrapped now.
func (a *app) keysProblem(ctx context.Context) string {
	if err := a.keks.Problem(); err != nil {
		a.log.Error("a key-encryption key is missing", "error", err)
		return "this node lacks a key-encryption key: run teikyo key status"
	}
	if err := a.kek.Ping(ctx); err != nil {
		a.log.Error("the provider of the key-encryption key does not answer", "error", err)
		return "the provider of the key-encryption key does not answer: nothing can be registered or provided"
	}
	return ""
}

// kekState is one version of the key-encryption key.
type kekState struct {
	ID         string           `json:"id"`
	State      string           `json:"state"`
	Provider   string           `json:"provider"`
	CheckValue string           `json:"check_value"`
	Current    bool             `json:"current"`
	Recorded   bool             `json:"recorded"` // the database knows it by its check value
	Missing    bool             `json:"missing,omitempty"`
	Lacking    []string         `json:"nodes_without,omitempty"`
	Total      int64            `json:"wraps"`
	Wraps      map[string]int64 `json:"wraps_by_kind,omitempty"`
	Added      time.Time        `json:"added"`
	Changed    time.Time        `json:"changed"`
}

func (a *app) kekStates(ctx context.Context) ([]kekState, error) {
	versions, err := a.keks.Status(ctx)
	if err != nil {
		return nil, err
	}
	list := make([]kekState, len(versions))
	for i, v := range versions {
		list[i] = newKEKState(v)
	}
	return list, nil
}

func newKEKState(v keys.Version) kekState {
	state := kekState{
		ID: v.ID, State: string(v.State), Provider: v.Provider, CheckValue: v.CheckValue, Current: v.State == models.KEKCurrent,
		Recorded: v.Recorded, Missing: v.Missing, Lacking: v.Lacking, Total: v.Total, Added: v.Added, Changed: v.Changed,
	}
	if state.State == "" {
		state.State = "unrecorded"
	}
	for shelf, n := range v.Wraps {
		if state.Wraps == nil {
			state.Wraps = map[string]int64{}
		}
		state.Wraps[string(shelf)] = n
	}
	return state
}

// kekRotation is a version that wraps from now on.
type kekRotation struct {
	ID         string    `json:"id"`
	State      string    `json:"state"`
	Provider   string    `json:"provider"`
	CheckValue string    `json:"check_value"`
	Changed    time.Time `json:"changed"`
}

func (a *app) rotateKEK(ctx context.Context) (kekRotation, error) {
	v, err := a.keks.Rotate(ctx)
	return kekRotation{v.ID, string(v.State), v.Provider, v.CheckValue, v.Changed}, err
}

// rewrapStep is keys.Step on its way to the command line.
type rewrapStep struct {
	Changed  int64          `json:"changed"`
	Raced    int64          `json:"raced"`
	Failed   int64          `json:"failed"`
	Failures []keys.Failure `json:"failures,omitempty"`
	Next     keys.Cursor    `json:"next"`
	Left     int64          `json:"left"`
}

func (a *app) rewrapStep(ctx context.Context, from keys.Cursor) (rewrapStep, error) {
	step, err := a.keks.Rewrap(ctx, from)
	return rewrapStep(step), err
}

// kekDestroyed is what Destroy did before.
type kekDestroyed struct {
	ID     string `json:"id"`
	State  string `json:"state"`
	Opened int64  `json:"wraps_opened"`
	Read   int64  `json:"payloads_read"`
}

func (a *app) destroyKEK(ctx context.Context, id string) (kekDestroyed, error) {
	done, err := a.keks.Destroy(ctx, id)
	return kekDestroyed{done.ID, string(models.KEKDestroyed), done.Opened, done.Read}, err
}

// keyRoutes are the commands about the key-encryption key on the admin socket.
// They may take longer than a request of the public server.
func (a *app) keyRoutes(mux *http.ServeMux) {
	mux.HandleFunc("GET /keys", func(w http.ResponseWriter, r *http.Request) {
		list, err := a.kekStates(r.Context())
		answerAdmin(w, map[string]any{"items": list}, err)
	})
	mux.HandleFunc("POST /keys/rotate", func(w http.ResponseWriter, r *http.Request) {
		change, err := a.rotateKEK(unhurried(w, r))
		answerAdmin(w, change, err)
	})
	mux.HandleFunc("POST /keys/rewrap", func(w http.ResponseWriter, r *http.Request) {
		var from keys.Cursor
		if !readAdmin(w, r, &from) {
			return
		}
		step, err := a.rewrapStep(unhurried(w, r), from)
		answerAdmin(w, step, err)
	})
	mux.HandleFunc("POST /keys/destroy", func(w http.ResponseWriter, r *http.Request) {
		var in struct {
			ID string `json:"id"`
		}
		if !readAdmin(w, r, &in) {
			return
		}
		done, err := a.destroyKEK(unhurried(w, r), in.ID)
		answerAdmin(w, done, err)
	})
}

// readAdmin reads the small body of a request, or answers that it is wrong.
func readAdmin(w http.ResponseWriter, r *http.Request, in any) bool {
	if err := json.NewDecoder(io.LimitReader(r.Body, 1<<10)).Decode(in); err != nil {
		answerAdmin(w, nil, models.Errorf(models.Invalid, "the request cannot be read"))
		return false
	}
	return true
}

// unhurried takes the deadlines off a request.
func unhurried(w http.ResponseWriter, r *http.Request) context.Context {
	control := http.NewResponseController(w)
	_ = control.SetReadDeadline(time.Time{})
	_ = control.SetWriteDeadline(time.Time{})
	return r.Context()
}
