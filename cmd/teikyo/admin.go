package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"slices"

	"teikyo/client"
	"teikyo/crypto"
	"teikyo/internal/datadir"
	"teikyo/models"
)

// maxSocketPath is the longest path that every system takes for a socket, in
// bytes.
const maxSocketPath = 103

// withSocket calls use with a path to the admin socket in dir that is short
// enough. Linux reaches a folder by its open descriptor.
func withSocket(dir string, use func(path string) error) error {
	path := filepath.Join(dir, datadir.AdminSocket)
	if len(path) <= maxSocketPath {
		return use(path)
	}
	if runtime.GOOS != "linux" {
		return fmt.Errorf("the path %s is too long for a socket; choose a shorter data folder", path)
	}
	folder, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer folder.Close()
	return use(fmt.Sprintf("/proc/self/fd/%d/%s", folder.Fd(), datadir.AdminSocket))
}

// listenAdmin listens on the admin socket. The caller holds the lock of the
// folder, so a socket that is there was left by a process that died; the folder
// is 0700, so nobody comes in between.
func listenAdmin(dir string) (net.Listener, error) {
	var l net.Listener
	err := withSocket(dir, func(path string) error {
		if err := removeFile(path); err != nil {
			return err
		}
		socket, err := net.Listen("unix", path)
		if err != nil {
			return err
		}
		socket.(*net.UnixListener).SetUnlinkOnClose(false) // path may be gone by then
		l = &adminListener{socket, filepath.Join(dir, datadir.AdminSocket)}
		return os.Chmod(path, 0o600)
	})
	if err != nil {
		if l != nil {
			l.Close()
		}
		return nil, models.Wrap(models.Invalid, nil, "the admin socket cannot be made: "+err.Error())
	}
	return l, nil
}

// adminListener removes its socket when it is closed.
type adminListener struct {
	net.Listener
	path string
}

func (l *adminListener) Close() error {
	return errors.Join(l.Listener.Close(), removeFile(l.path))
}

// adminHandler answers the commands on the server's machine. Who may open the
// socket may do everything anyway.
func (a *app) adminHandler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /state", func(w http.ResponseWriter, r *http.Request) {
		state, err := a.state(r.Context())
		answerAdmin(w, state, err)
	})
	a.keyRoutes(mux)
	mux.HandleFunc("GET /storage/check", func(w http.ResponseWriter, r *http.Request) {
		report, err := a.reportStore(r.Context())
		answerAdmin(w, report, err)
	})
	mux.HandleFunc("GET /issuer", func(w http.ResponseWriter, r *http.Request) {
		view, err := issuerViewOf(a.keys.Issuer(), a.cfg.Issuer.Name)
		answerAdmin(w, view, err)
	})
	mux.HandleFunc("POST /backup", a.answerBackup)
	mux.HandleFunc("POST /issuer/revoke", a.answerRevoke)
	mux.HandleFunc("POST /issuer/rotate", func(w http.ResponseWriter, r *http.Request) {
		var in struct {
			Use crypto.Use `json:"use"`
		}
		err := json.NewDecoder(io.LimitReader(r.Body, 1<<10)).Decode(&in)
		if err != nil || !slices.Contains(crypto.Uses(), in.Use) {
			answerAdmin(w, nil, models.Errorf(models.Invalid, "there is no signing key of that kind"))
			return
		}
		change, err := a.rotateKey(r.Context(), in.Use)
		answerAdmin(w, change, err)
	})
	return mux
}

// answerAdmin writes v, or the error as a problem document.
func answerAdmin(w http.ResponseWriter, v any, err error) {
	w.Header().Set("Content-Type", "application/json")
	if err != nil {
		var known *models.Error
		msg := "internal error"
		if errors.As(err, &known) {
			msg = known.Error()
		}
		w.Header().Set("Content-Type", "application/problem+json")
		w.WriteHeader(http.StatusConflict)
		v = map[string]string{"type": "urn:teikyo:problem:" + string(models.KindOf(err)), "detail": msg}
	}
	_ = json.NewEncoder(w).Encode(v)
}

// callAdmin asks the server that runs on the data folder. The answer is false
// when none does.
func callAdmin(ctx context.Context, dir, method, path string, in, out any) (bool, error) {
	return withAdmin(ctx, dir, func(ctx context.Context, api *client.Client) error {
		return api.Call(ctx, method, path, in, out)
	})
}

// withAdmin hands out the server that runs on the data folder for one request.
// The answer is false when none does.
func withAdmin(ctx context.Context, dir string, use func(ctx context.Context, api *client.Client) error) (bool, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return false, err
	}
	if _, err := os.Lstat(filepath.Join(dir, datadir.AdminSocket)); errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	running := true
	err = withSocket(dir, func(socket string) error {
		conn, err := (&net.Dialer{}).DialContext(ctx, "unix", socket)
		if err != nil { // left by a process that died
			running = false
			return nil
		}
		transport := &http.Transport{
			DialContext:       func(context.Context, string, string) (net.Conn, error) { return conn, nil },
			DisableKeepAlives: true,
		}
		defer transport.CloseIdleConnections()
		api := &client.Client{Base: "http://admin", HTTP: &http.Client{Transport: transport}}
		return use(ctx, api)
	})
	return running, err
}

// jsonText is v as the answer of a server would be.
func jsonText(v any) (json.RawMessage, error) {
	var out bytes.Buffer
	enc := json.NewEncoder(&out)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return nil, models.Wrap(models.Internal, err, "the answer cannot be written")
	}
	return out.Bytes(), nil
}
