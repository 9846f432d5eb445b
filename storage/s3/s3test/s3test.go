// Package s3test runs a real S3 server for tests: versitygw over TLS, with a
// folder for its objects and a certificate authority of its own.
package s3test

import (
	"context"
	"crypto/x509"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"teikyo/storage/s3"
)

// Bucket is the bucket that every server has.
const Bucket = "teikyo-test"

// Domain is the domain of virtual hosts: BUCKET.Domain.
const Domain = "s3.test"

// Access keys of a server. They are worth nothing elsewhere.
const (
	AccessKey = "teikyo-test-access"
	SecretKey = "teikyo-test-secret-key"
)

const (
	startTimeout = 30 * time.Second
	starts       = 5 // tries to find a free port
)

// Server is a running S3 server.
type Server struct {
	Address string // HOST:PORT
	CAFile  string // PEM
	Dir     string // its objects: DIR/BUCKET/NAME

	// CredentialsFile is an AWS credentials file with the access keys (0600).
	CredentialsFile string

	tb       testing.TB
	program  string
	disk     int64 // bytes of a disk of its own; 0: none
	certs    *certificates
	restarts sync.Mutex
	cmd      *exec.Cmd
	ended    chan struct{}
}

// Start runs a server until the end of the test. Without versitygw the test is
// skipped, with CI=true it fails: scripts/check.sh installs it.
func Start(tb testing.TB) *Server {
	tb.Helper()
	return startOn(tb, 0)
}

// StartSmall is Start with the objects on a disk of so many bytes, which only root
// can make: without, the test skips, and with CI=true it fails. It cannot be
// started again.
func StartSmall(tb testing.TB, disk int64) *Server {
	tb.Helper()
	if os.Geteuid() != 0 {
		const why = "a disk of its own for the store takes root"
		if os.Getenv("CI") == "true" {
			tb.Fatal(why + ", and CI=true forbids to skip")
		}
		tb.Skip(why)
	}
	return startOn(tb, disk)
}

func startOn(tb testing.TB, disk int64) *Server {
	tb.Helper()
	program, err := findProgram()
	if err != nil {
		if os.Getenv("CI") == "true" {
			tb.Fatal(err)
		}
		tb.Skip(err)
	}
	dir, err := os.MkdirTemp("", "s3test-") // objects keep attributes in xattrs
	if err != nil {
		tb.Fatal(err)
	}
	s := &Server{tb: tb, program: program, disk: disk, Dir: filepath.Join(dir, "objects")}
	tb.Cleanup(func() {
		s.Stop()
		if err := os.RemoveAll(dir); err != nil {
			tb.Error(err)
		}
	})
	if s.certs, err = newCertificates(dir); err != nil {
		tb.Fatal(err)
	}
	s.CAFile, s.CredentialsFile = s.certs.caFile, filepath.Join(dir, "credentials")
	keys := fmt.Sprintf("[default]\naws_access_key_id = %s\naws_secret_access_key = %s\n", AccessKey, SecretKey)
	if err := os.WriteFile(s.CredentialsFile, []byte(keys), 0o600); err != nil {
		tb.Fatal(err)
	}
	if err := os.MkdirAll(filepath.Join(s.Dir, Bucket), 0o700); err != nil {
		tb.Fatal(err)
	}
	if err := s.start(); err != nil {
		tb.Fatal(err)
	}
	return s
}

func findProgram() (string, error) {
	if tools := os.Getenv("TEST_TOOLS"); tools != "" {
		path := filepath.Join(tools, "bin", "versitygw")
		if _, err := os.Stat(path); err == nil {
			return path, nil
		}
	}
	path, err := exec.LookPath("versitygw")
	if err != nil {
		return "", fmt.Errorf("versitygw is missing; scripts/check.sh installs it: %w", err)
	}
	return path, nil
}

// start takes a free port, the same again after a restart.
func (s *Server) start() error {
	var err error
	for range starts {
		address := s.Address
		if address == "" {
			if address, err = freeAddress(); err != nil {
				return err
			}
		}
		if err = s.startAt(address); err == nil {
			s.Address = address
			return nil
		}
	}
	return err
}

func freeAddress() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	return l.Addr().String(), l.Close()
}

func (s *Server) startAt(address string) error {
	cmd := s.command("--port", address, "--access", AccessKey, "--secret", SecretKey, "--quiet", "--keep-alive",
		"--cert", s.certs.certFile, "--key", s.certs.keyFile, "--health", "/health", "--virtual-domain", Domain, "posix", s.Dir)
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + filepath.Dir(s.Dir)}
	if err := cmd.Start(); err != nil {
		return err
	}
	ended := make(chan struct{})
	go func() {
		_ = cmd.Wait()
		close(ended)
	}()
	s.cmd, s.ended = cmd, ended
	if err := s.await(address); err != nil {
		s.Stop()
		return err
	}
	return nil
}

// command is the server, on a disk of its own if it has one.
func (s *Server) command(args ...string) *exec.Cmd {
	if s.disk == 0 {
		return exec.Command(s.program, args...)
	}
	script := fmt.Sprintf(`mount -t tmpfs -o size=%d tmpfs "$0" && mkdir "$0"/%s && exec "$@"`, s.disk, Bucket)
	return exec.Command("unshare", append([]string{"-m", "sh", "-c", script, s.Dir, s.program}, args...)...)
}

// Folder is where the objects are, from where the tests are.
func (s *Server) Folder() string {
	if s.disk == 0 {
		return s.Dir
	}
	return fmt.Sprintf("/proc/%d/root%s", s.cmd.Process.Pid, s.Dir)
}

// await waits until the server answers, or has ended.
func (s *Server) await(address string) error {
	ctx, cancel := context.WithTimeout(context.Background(), startTimeout)
	defer cancel()
	client := &http.Client{Transport: s.certs.transport()}
	defer client.CloseIdleConnections()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, "https://"+address+"/health", nil)
		if err != nil {
			return err
		}
		resp, err := client.Do(req)
		if err == nil {
			_, _ = io.Copy(io.Discard, resp.Body)
			return resp.Body.Close()
		}
		select {
		case <-s.ended:
			return fmt.Errorf("versitygw ended at once on %s", address)
		case <-ctx.Done():
			return fmt.Errorf("versitygw is not ready after %v: %w", startTimeout, err)
		case <-tick.C:
		}
	}
}

// Stop kills the server, as a power cut would; it may be repeated.
func (s *Server) Stop() {
	s.restarts.Lock()
	defer s.restarts.Unlock()
	if s.cmd == nil {
		return
	}
	_ = s.cmd.Process.Kill()
	<-s.ended
	s.cmd = nil
}

// Restart starts a stopped server again at its address.
func (s *Server) Restart() {
	s.tb.Helper()
	if err := s.start(); err != nil {
		s.tb.Fatal(err)
	}
}

// URL is the setting storage.url for a prefix in the bucket, with credentials
// from the file.
func (s *Server) URL(prefix string) string { return s.URLAt(s.Address, prefix) }

// URLAt is URL for a proxy at another address of this machine.
func (s *Server) URLAt(address, prefix string) string {
	query := url.Values{
		"endpoint": {"https://" + address}, "ca_file": {s.CAFile}, "credentials": {"file:" + s.CredentialsFile},
	}
	return "s3://" + Bucket + "/" + prefix + "?" + query.Encode()
}

// Options are those of URL.
func (s *Server) Options(prefix string) s3.Options {
	s.tb.Helper()
	opts, err := s3.ParseURL(s.URL(prefix))
	if err != nil {
		s.tb.Fatal(err)
	}
	return opts
}

// Open is a store below the prefix, closed at the end of the test.
func (s *Server) Open(tb testing.TB, prefix string) *s3.Store {
	tb.Helper()
	return OpenWith(tb, s.Options(prefix))
}

// OpenWith is a store with these options, closed at the end of the test.
func OpenWith(tb testing.TB, opts s3.Options) *s3.Store {
	tb.Helper()
	store, err := s3.New(opts)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { _ = store.Close() })
	return store
}

// Roots is the server's authority.
func (s *Server) Roots() *x509.CertPool { return s.certs.roots }

// Path is where the server keeps an object of the store below the prefix.
func (s *Server) Path(prefix, key string) string {
	return filepath.Join(s.Folder(), Bucket, filepath.FromSlash(prefix), "objects", key)
}
