package main

import (
	"context"
	"crypto/rand"
	"errors"
	"log/slog"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"teikyo/client"
	"teikyo/config"
	"teikyo/internal/clock"
	"teikyo/internal/datadir"
	"teikyo/models"
)

// addData adds the flags of commands that work on the server's machine.
func (f *settingFlags) addData(cmd *cobra.Command) {
	f.add(cmd, "data", "the server's data folder (default teikyo-data)")
	f.addFile(cmd)
}

// serverWork is something that a running server does when asked over its admin
// socket, and that the program does itself when none runs.
type serverWork struct {
	method, path string
	in, out      any
	stream       func(ctx context.Context, api *client.Client) error // instead of the four above
	alone        func(ctx context.Context, a *app) error
}

// onServer does the work at the server of the data folder, else takes its lock.
func (c *cli) onServer(ctx context.Context, cfg config.Config, w serverWork) error {
	cfg = cfg.WithDefaults()
	if err := needDataFolder(cfg.Data); err != nil {
		return err
	}
	if w.stream == nil {
		w.stream = func(ctx context.Context, api *client.Client) error {
			return api.Call(ctx, w.method, w.path, w.in, w.out)
		}
	}
	running, err := withAdmin(ctx, cfg.Data, w.stream)
	if running || err != nil {
		return err
	}
	cfg.Listen, cfg.PublicURL, cfg.TLSCert, cfg.TLSKey = "127.0.0.1:0", "", "", ""
	a, err := newApp(ctx, cfg, system{clock: clock.New(), rand: rand.Reader, err: c.err, log: slog.New(slog.DiscardHandler)})
	if err != nil {
		return err
	}
	defer a.close()
	return a.work(ctx, w.alone)
}

// needDataFolder refuses to make a new server where one was expected.
func needDataFolder(dir string) error {
	if _, err := os.Stat(filepath.Join(dir, datadir.DatabaseFile)); err != nil {
		return models.Errorf(models.NotFound, "there is no data folder of a server at %s; name it with --data", dir)
	}
	return nil
}

// work does something with the server that is not serving, and brings what it
// recorded to the second place.
func (a *app) work(ctx context.Context, do func(ctx context.Context, a *app) error) error {
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	end := a.startPublishing(stop)
	err := do(ctx, a)
	if cause := context.Cause(ctx); cause != nil {
		err = errors.Join(err, cause)
	}
	return errors.Join(err, end())
}
