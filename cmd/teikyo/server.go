package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"teikyo/handlers"
	"teikyo/models"
)

// Limits of the HTTP server. A transfer may take days: reading a body moves its
// deadlines on, and downloads move their own.
const (
	headerTimeout  = 10 * time.Second
	readTimeout    = time.Minute
	writeTimeout   = 2 * time.Minute
	idleTimeout    = 2 * time.Minute
	maxHeaderBytes = 32 << 10 // bytes; a request of many ranges is an attack
	certRecheck    = time.Minute
	fatalDrain     = time.Second
	lastPublish    = 5 * time.Second
)

// serve runs the server until ctx ends or something fails that only a restart
// clears. Transfers that are under way then get the drain time.
func (a *app) serve(ctx context.Context) error {
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	work, stopWork := context.WithCancel(context.WithoutCancel(ctx))
	defer stopWork()
	endPublishing := a.startPublishing(stop)
	group := &errgroup.Group{}
	for _, loop := range a.loops {
		group.Go(func() error {
			err := loop(work)
			if work.Err() != nil { // it was told to end
				return nil //nolint:nilerr // what it says then is that it was told to end
			}
			stop(err)
			return err
		})
	}
	servers, err := a.startServers(ctx, group, stop)
	if err != nil {
		stop(err)
	} else if err := a.announce(ctx); err != nil {
		stop(err)
	}
	patience := a.cfg.DrainTimeout
	select {
	case <-ctx.Done():
		if errors.Is(context.Cause(ctx), context.Canceled) { // told to, not forced to
			patience = a.stepAside(patience)
		}
	case err := <-a.fatal: // nothing more can be recorded, so nothing may be sent
		stop(err)
		patience = fatalDrain
	}
	a.drain(servers, patience)
	stopWork()
	groupErr := group.Wait()
	if err := endPublishing(); err != nil {
		a.log.Warn("the last entries are not in the second place yet; the next start brings them there", "error", err)
	}
	if err := context.Cause(ctx); !errors.Is(err, context.Canceled) {
		return err
	}
	return groupErr
}

// startPublishing brings checkpoints to the second place until the returned
// function is called, which first waits for the last one.
func (a *app) startPublishing(stop func(error)) (end func() error) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		if err := a.publisher.Run(ctx); ctx.Err() == nil {
			stop(err)
		}
	}()
	return func() error {
		limit, stopWaiting := context.WithTimeout(ctx, lastPublish)
		err := a.publishAll(limit)
		stopWaiting()
		cancel()
		<-done
		return err
	}
}

// publishAll waits until the second place covers the whole ledger.
func (a *app) publishAll(ctx context.Context) error {
	head, err := a.db.Head(ctx)
	if err != nil || head.Size == 0 {
		return err
	}
	_, err = a.db.Published(ctx, head.Size-1)
	return err
}

// announce says that the server serves.
func (a *app) announce(ctx context.Context) error {
	if err := a.writeSetupCode(ctx); err != nil {
		return err
	}
	for _, warning := range a.warnings() {
		a.log.Warn(warning)
	}
	a.tell("ready %s", a.address())
	return nil
}

// tell writes a line for people to standard error.
func (a *app) tell(format string, args ...any) { fmt.Fprintf(a.err, format+"\n", args...) }

// startServers starts the public server, the admin socket and, when it is
// configured, the admin listener.
func (a *app) startServers(ctx context.Context, group *errgroup.Group, stop func(error)) ([]*http.Server, error) {
	var servers []*http.Server
	start := func(handler http.Handler, l net.Listener, overTLS bool) {
		srv := a.httpServer(handler)
		servers = append(servers, srv)
		group.Go(func() error {
			err := serveOn(srv, l, overTLS)
			if errors.Is(err, http.ErrServerClosed) {
				return nil
			}
			stop(err)
			return err
		})
	}
	start(a.handler, a.listener, a.tls != nil)
	socket, err := listenAdmin(a.folder.Root())
	if err != nil {
		return servers, err
	}
	start(a.adminHandler(), socket, false)
	if a.cfg.AdminListen == "" {
		return servers, nil
	}
	l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", a.cfg.AdminListen)
	if err != nil {
		return servers, models.Wrap(models.Invalid, nil, "admin_listen cannot be used: "+err.Error())
	}
	metrics, err := a.metricsHandler()
	if err != nil {
		l.Close()
		return servers, err
	}
	a.tell("metrics http://%s/metrics", l.Addr())
	start(metrics, l, false)
	return servers, nil
}

func serveOn(srv *http.Server, l net.Listener, overTLS bool) error {
	if overTLS {
		return srv.ServeTLS(l, "", "")
	}
	return srv.Serve(l)
}

func (a *app) httpServer(handler http.Handler) *http.Server {
	srv := &http.Server{
		Handler: a.parting(steady(handler)), MaxHeaderBytes: maxHeaderBytes, ConnContext: handlers.ConnContext,
		ReadHeaderTimeout: headerTimeout, ReadTimeout: readTimeout, WriteTimeout: writeTimeout, IdleTimeout: idleTimeout,
		ErrorLog: slog.NewLogLogger(a.log.Handler(), slog.LevelDebug),
	}
	if a.tls != nil {
		srv.TLSConfig = &tls.Config{MinVersion: tls.VersionTLS12, GetCertificate: a.tls.get}
	}
	return srv
}

// stepAside goes on for the drain delay, so that a load balancer that asks
// /readyz leads people elsewhere first. It returns how long transfers then have.
func (a *app) stepAside(patience time.Duration) time.Duration {
	a.draining.Store(true)
	if a.cfg.DrainDelay <= 0 {
		return patience
	}
	select {
	case <-time.After(a.cfg.DrainDelay):
		return patience
	case err := <-a.fatal:
		a.log.Error("the database cannot go on", "error", err)
		return fatalDrain
	}
}

// drain stops taking requests and lets running ones end within patience.
func (a *app) drain(servers []*http.Server, patience time.Duration) {
	a.draining.Store(true)
	a.feed.Close()
	limit, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	var wg sync.WaitGroup
	for _, srv := range servers {
		wg.Go(func() {
			if err := srv.Shutdown(limit); err != nil {
				a.log.Warn("transfers were cut because the server had to stop")
				_ = srv.Close()
			}
		})
	}
	wg.Wait()
}

// parting tells clients, once the server is about to stop, to take another
// connection for what they ask next.
func (a *app) parting(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if a.draining.Load() {
			w.Header().Set("Connection", "close")
		}
		next.ServeHTTP(w, r)
	})
}

// steady moves the deadlines of a request on while its body arrives.
func steady(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Body != nil && r.Body != http.NoBody {
			r.Body = &steadyBody{ReadCloser: r.Body, control: http.NewResponseController(w)}
		}
		next.ServeHTTP(w, r)
	})
}

type steadyBody struct {
	io.ReadCloser
	control *http.ResponseController
	moved   time.Time
}

// Read gives the client readTimeout for the next bytes.
func (b *steadyBody) Read(p []byte) (int, error) {
	if now := time.Now(); now.Sub(b.moved) > readTimeout/10 {
		b.moved = now
		_ = b.control.SetReadDeadline(now.Add(readTimeout))
		_ = b.control.SetWriteDeadline(now.Add(writeTimeout))
	}
	return b.ReadCloser.Read(p)
}

// certificates is the TLS certificate, read again when its file has changed.
type certificates struct {
	certFile, keyFile string

	mu      sync.Mutex
	current *tls.Certificate
	changed time.Time // of the file that current was read from
	checked time.Time
}

// loadCertificates reads the certificate; nil when none is configured.
func loadCertificates(certFile, keyFile string) (*certificates, error) {
	if certFile == "" {
		return nil, nil
	}
	c := &certificates{certFile: certFile, keyFile: keyFile}
	if err := c.load(); err != nil {
		return nil, models.Wrap(models.Invalid, nil, "tls_cert and tls_key cannot be used: "+err.Error())
	}
	return c, nil
}

func (c *certificates) load() error {
	info, err := os.Stat(c.certFile)
	if err != nil {
		return err
	}
	pair, err := tls.LoadX509KeyPair(c.certFile, c.keyFile)
	if err != nil {
		return err
	}
	c.current, c.changed, c.checked = &pair, info.ModTime(), time.Now()
	return nil
}

// get is the certificate for a handshake. A new one that does not work leaves
// the old one in place.
func (c *certificates) get(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if time.Since(c.checked) > certRecheck {
		c.checked = time.Now()
		if info, err := os.Stat(c.certFile); err == nil && !info.ModTime().Equal(c.changed) {
			_ = c.load()
		}
	}
	return c.current, nil
}
