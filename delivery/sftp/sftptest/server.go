// Package sftptest starts Debian's sshd for tests, with one account that logs in
// by a key of its own: whoever runs the tests.
package sftptest

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/pem"
	"fmt"
	"net"
	"net/url"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"
)

// Options say what is unusual about a server.
type Options struct {
	// Deny lists requests of the protocol that the server refuses, as
	// sftp-server(8) names them.
	Deny []string
	// Allow lists those that it knows at all; empty: every one.
	Allow []string
}

// Server is a running sshd.
type Server struct {
	Address string // host:port
	HostKey string // "type base64"
	Folder  string // where parcels go
	User    string
	dir     string
	private []byte
}

// Start starts a server that ends with the test. Without an sshd the test is
// skipped, in CI it fails.
func Start(t testing.TB, opts Options) *Server {
	t.Helper()
	program, err := exec.LookPath("/usr/sbin/sshd")
	if err != nil {
		missing(t, "there is no /usr/sbin/sshd")
	}
	me, err := user.Current()
	if err != nil {
		t.Fatal(err)
	}
	s := &Server{dir: t.TempDir(), Folder: t.TempDir(), User: me.Username, Address: free(t)}
	host, _ := pair(t)
	_, s.HostKey = s.write(t, "host", host)
	s.private, _ = pair(t)
	s.Authorize(t, s.PublicKey(t))
	subsystem := "internal-sftp"
	if len(opts.Deny) > 0 {
		subsystem += " -P " + strings.Join(opts.Deny, ",")
	}
	if len(opts.Allow) > 0 {
		subsystem += " -p " + strings.Join(opts.Allow, ",")
	}
	hostPort := strings.SplitN(s.Address, ":", 2)
	config := fmt.Sprintf(`ListenAddress %s
Port %s
HostKey %s
AuthorizedKeysFile %s
PidFile none
StrictModes no
UsePAM no
PasswordAuthentication no
KbdInteractiveAuthentication no
PermitRootLogin prohibit-password
MaxStartups 100
LogLevel ERROR
Subsystem sftp %s
`, hostPort[0], hostPort[1], s.path("host"), s.path("authorized"), subsystem)
	if err := os.WriteFile(s.path("config"), []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	if os.Getuid() == 0 { // for the separation of privileges
		if err := os.MkdirAll("/run/sshd", 0o755); err != nil {
			t.Fatal(err)
		}
	}
	s.run(t, program)
	return s
}

func missing(t testing.TB, why string) {
	if os.Getenv("CI") == "true" {
		t.Fatal(why)
	}
	t.Skip(why)
}

func (s *Server) path(name string) string { return filepath.Join(s.dir, name) }

func (s *Server) run(t testing.TB, program string) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	cmd := exec.CommandContext(ctx, program, "-D", "-e", "-f", s.path("config"))
	var log bytes.Buffer
	cmd.Stderr = &log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cancel()
		_ = cmd.Wait()
		if t.Failed() {
			t.Log(log.String())
		}
	})
	limit := time.Now().Add(20 * time.Second)
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		conn, err := net.Dial("tcp", s.Address)
		if err == nil {
			conn.Close()
			return
		}
		if time.Now().After(limit) {
			t.Fatalf("sshd does not answer: %v", err)
		}
		<-tick.C
	}
}

func free(t testing.TB) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	return listener.Addr().String()
}

func pair(t testing.TB) (private []byte, public string) {
	t.Helper()
	_, secret, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	block, err := ssh.MarshalPrivateKey(secret, "test")
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(block), publicOf(t, pem.EncodeToMemory(block))
}

func publicOf(t testing.TB, private []byte) string {
	t.Helper()
	signer, err := ssh.ParsePrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(ssh.MarshalAuthorizedKey(signer.PublicKey())))
}

func (s *Server) write(t testing.TB, name string, private []byte) (path, public string) {
	t.Helper()
	if err := os.WriteFile(s.path(name), private, 0o600); err != nil {
		t.Fatal(err)
	}
	return s.path(name), publicOf(t, private)
}

// Authorize lets a public key in, and no other.
func (s *Server) Authorize(t testing.TB, public string) {
	t.Helper()
	if err := os.WriteFile(s.path("authorized"), []byte(public+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
}

// PrivateKey is what logs in at first.
func (s *Server) PrivateKey() []byte { return s.private }

// PublicKey is its public half.
func (s *Server) PublicKey(t testing.TB) string { return publicOf(t, s.private) }

// URL is where parcels go.
func (s *Server) URL() string {
	u := url.URL{Scheme: "sftp", User: url.User(s.User), Host: s.Address, Path: s.Folder}
	return u.String()
}
