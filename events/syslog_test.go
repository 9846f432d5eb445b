package events_test

import (
	"bufio"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"teikyo/events"
	"teikyo/jobs"
	"teikyo/ledger"
	"teikyo/models"
)

// testCertificate is its own authority, for this machine, for both sides.
type testCertificate struct {
	dir  string
	pair tls.Certificate
	pool *x509.CertPool
}

func newCertificate(t *testing.T) *testCertificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(t, err)
	leaf := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "teikyo test"}, DNSNames: []string{"localhost"},
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, leaf, leaf, key.Public(), key)
	must(t, err)
	keyDER, err := x509.MarshalPKCS8PrivateKey(key)
	must(t, err)
	certPEM := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	keyPEM := pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: keyDER})
	c := &testCertificate{dir: t.TempDir(), pool: x509.NewCertPool()}
	must(t, os.WriteFile(filepath.Join(c.dir, "cert.pem"), certPEM, 0o600))
	must(t, os.WriteFile(filepath.Join(c.dir, "key.pem"), keyPEM, 0o600))
	c.pool.AppendCertsFromPEM(certPEM)
	c.pair, err = tls.X509KeyPair(certPEM, keyPEM)
	must(t, err)
	return c
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// collector is a syslog server that takes nothing but RFC 5424 in frames of RFC
// 5425, from whoever shows the certificate.
type collector struct {
	t        *testing.T
	listener net.Listener
	cut      func(n int) bool // after the n-th message: break the connection

	mu   sync.Mutex
	got  []string
	read int
}

func newCollector(t *testing.T, c *testCertificate, address string) *collector {
	t.Helper()
	l, err := tls.Listen("tcp", address, &tls.Config{
		Certificates: []tls.Certificate{c.pair}, ClientCAs: c.pool, ClientAuth: tls.RequireAndVerifyClientCert, MinVersion: tls.VersionTLS12,
	})
	must(t, err)
	s := &collector{t: t, listener: l}
	var serving sync.WaitGroup
	serving.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			serving.Go(func() { s.serve(conn) })
		}
	})
	t.Cleanup(func() { l.Close(); serving.Wait() })
	return s
}

func (s *collector) serve(conn net.Conn) {
	defer conn.Close()
	in := bufio.NewReader(conn)
	for {
		length, err := in.ReadString(' ')
		if errors.Is(err, io.EOF) && length == "" {
			return
		}
		n, numberErr := strconv.Atoi(strings.TrimSuffix(length, " "))
		if err != nil || numberErr != nil || strings.HasPrefix(length, "0") {
			return
		}
		message := make([]byte, n)
		if _, err := io.ReadFull(in, message); err != nil {
			return
		}
		s.mu.Lock()
		s.read++
		broken := s.cut != nil && s.cut(s.read)
		if !broken {
			s.got = append(s.got, string(message))
		}
		s.mu.Unlock()
		if broken {
			return
		}
	}
}

func (s *collector) messages() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]string{}, s.got...)
}

// rfc5424 is the grammar of RFC 5424, section 6, as far as one structure of data
// goes, with a message in ASCII.
var rfc5424 = regexp.MustCompile(`^<(\d{1,3})>1 (\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{1,6}Z) ([!-~]{1,255}) ([!-~]{1,48}) ([!-~]{1,128}) ([!-~]{1,32}) ` +
	`\[([!#-<>-\\^-~]{1,32})((?: [!#-<>-\\^-~]{1,32}="(?:[^"\\\]]|\\["\\\]])*")*)\] ([ -~]*)$`)

func (s *collector) check(messages []string) {
	s.t.Helper()
	for _, m := range messages {
		parts := rfc5424.FindStringSubmatch(m)
		if parts == nil {
			s.t.Fatalf("not RFC 5424: %q", m)
		}
		if pri, _ := strconv.Atoi(parts[1]); pri/8 != 13 || parts[4] != "teikyo" || strings.Contains(m, "Suzuki") {
			s.t.Errorf("%q", m)
		}
		if _, err := time.Parse(time.RFC3339Nano, parts[2]); err != nil {
			s.t.Error(err)
		}
	}
}

var indexParam = regexp.MustCompile(`\[teikyo@32473 index="(\d+)"`)

// missing are the indexes below n that no message has.
func missing(messages []string, n int) []int {
	seen := map[string]bool{}
	for _, m := range messages {
		if found := indexParam.FindStringSubmatch(m); found != nil {
			seen[found[1]] = true
		}
	}
	var list []int
	for i := range n {
		if !seen[strconv.Itoa(i)] {
			list = append(list, i)
		}
	}
	return list
}

// forwarder forwards the bench's ledger until the returned function is called.
func (b *bench) forwarder(address string, c *testCertificate) (s *events.Syslog, stop func()) {
	b.t.Helper()
	s = &events.Syslog{
		Store: b.db, Feed: b.feed, Dial: local().DialContext, Address: address, Host: "node 1 \"x\"", Now: time.Now,
		TLS:    &tls.Config{RootCAs: c.pool, ServerName: "localhost", Certificates: []tls.Certificate{c.pair}, MinVersion: tls.VersionTLS12},
		Failed: func(err error) { b.t.Log(err) },
	}
	must(b.t, s.Start(b.t.Context()))
	queue := &jobs.Runner{
		Store: b.db, Workers: map[string]jobs.Worker{events.SyslogKind: s}, Now: time.Now, Name: "test", Poll: 5 * time.Millisecond,
		Failed: func(err error) { b.t.Error(err) },
	}
	ctx, cancel := context.WithCancel(context.WithoutCancel(b.t.Context()))
	done := make(chan struct{})
	go func() { defer close(done); _ = queue.Run(ctx) }()
	stop = sync.OnceFunc(func() { cancel(); <-done })
	b.t.Cleanup(stop)
	return s, stop
}

func (b *bench) wait(what string, so func() bool) {
	b.t.Helper()
	(&hookBench{bench: b}).until(what, so)
}

func TestSyslog(t *testing.T) {
	t.Parallel()
	b, c := newBench(t, sqlite(t)), newCertificate(t)
	s := newCollector(t, c, "127.0.0.1:0")
	b.append(ledger.RecipientApplied, "recipient", "r-keio")
	forwarder, _ := b.forwarder(s.listener.Addr().String(), c)
	b.wait("the first entry", func() bool { return len(s.messages()) == 1 })
	for range 60 {
		b.append(ledger.ProvisionIssued, "recipient", "r-keio")
	}
	b.append(ledger.ConfigChanged, "webhook", "wh-1")
	b.wait("all of them, confirmed", func() bool { return len(s.messages()) == 62 && forwarder.Behind() == 0 })
	messages := s.messages()
	s.check(messages)
	if gone := missing(messages, 62); gone != nil {
		t.Errorf("missing %v", gone)
	}
	want := `^<110>1 \S+ node1x teikyo - provision.issued \[teikyo@32473 index="1" actor="u-mori" provision="p-1" recipient="r-keio"\] entry 1: provision.issued$`
	if !regexp.MustCompile(want).MatchString(messages[1]) || !strings.HasPrefix(messages[61], "<109>1 ") {
		t.Errorf("got %q and %q", messages[1], messages[61])
	}
}

// The receiver breaks connections, is away, and the sender restarts: everything
// arrives.
func TestSyslogLosesNothing(t *testing.T) {
	t.Parallel()
	b, c := newBench(t, sqlite(t)), newCertificate(t)
	s := newCollector(t, c, "127.0.0.1:0")
	s.cut = func(n int) bool { return n == 7 || n == 40 }
	address := s.listener.Addr().String()
	for range 30 {
		b.append(ledger.RecipientApplied, "recipient", "r-keio")
	}
	_, stop := b.forwarder(address, c)
	b.wait("the first thirty", func() bool { return missing(s.messages(), 30) == nil })
	s.listener.Close() // away
	for range 10 {
		b.append(ledger.RecipientApplied, "recipient", "r-keio")
	}
	stop()
	back := newCollector(t, c, address)
	b.forwarder(address, c)
	b.wait("all of them", func() bool { return missing(append(s.messages(), back.messages()...), 40) == nil })
	back.check(back.messages())
}

// Whoever is not trusted gets nothing.
func TestSyslogTrustsNobodyElse(t *testing.T) {
	t.Parallel()
	b, ours, theirs := newBench(t, sqlite(t)), newCertificate(t), newCertificate(t)
	s := newCollector(t, theirs, "127.0.0.1:0")
	b.append(ledger.RecipientApplied, "recipient", "r-keio")
	failed := make(chan error, 8)
	f := &events.Syslog{
		Store: b.db, Feed: b.feed, Dial: local().DialContext, Address: s.listener.Addr().String(), Host: "h", Now: time.Now,
		TLS: &tls.Config{RootCAs: ours.pool, ServerName: "localhost", MinVersion: tls.VersionTLS12}, Failed: func(err error) { failed <- err },
	}
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() { defer close(ended); f.Work(ctx, models.Job{}) }()
	if err := <-failed; !strings.Contains(err.Error(), "trust") {
		t.Error(err)
	}
	stop()
	<-ended
	if len(s.messages()) != 0 || f.Behind() != 1 {
		t.Errorf("%d messages, %d behind", len(s.messages()), f.Behind())
	}
}

// A real rsyslog with TLS takes everything, and answers the end of a connection.
func TestSyslogToRsyslog(t *testing.T) {
	t.Parallel()
	drivers, _ := filepath.Glob("/usr/lib/*/rsyslog/lmnsd_gtls.so")
	if _, err := os.Stat("/usr/sbin/rsyslogd"); err != nil || len(drivers) == 0 {
		if os.Getenv("CI") == "true" {
			t.Fatal("rsyslog and rsyslog-gnutls are not installed, and CI=true forbids to skip")
		}
		t.Skip("rsyslog and rsyslog-gnutls are not installed; scripts/check.sh does")
	}
	b, c := newBench(t, sqlite(t)), newCertificate(t)
	address, out := rsyslog(t, c)
	for range 120 {
		b.append(ledger.RecipientApplied, "recipient", "r-keio")
	}
	forwarder, _ := b.forwarder(address, c)
	var lines []string
	b.wait("rsyslog wrote everything", func() bool {
		text, _ := os.ReadFile(out)
		lines = strings.Split(strings.TrimSpace(string(text)), "\n")
		return missing(lines, 120) == nil && forwarder.Behind() == 0
	})
	if len(lines) != 120 || !strings.HasPrefix(lines[0], "authpriv|") && !strings.Contains(lines[0], "|recipient.applied|") {
		t.Errorf("%d lines, the first is %q", len(lines), lines[0])
	}
}

// rsyslog starts a server and gives its address and the file it writes.
func rsyslog(t *testing.T, c *testCertificate) (address, out string) {
	t.Helper()
	free, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	address = free.Addr().String()
	free.Close()
	_, port, _ := net.SplitHostPort(address)
	dir := t.TempDir()
	out = filepath.Join(dir, "out.log")
	config := filepath.Join(dir, "rsyslog.conf")
	must(t, os.WriteFile(config, fmt.Appendf(nil, `global(workDirectory=%q DefaultNetstreamDriver="gtls" DefaultNetstreamDriverCAFile=%q
  DefaultNetstreamDriverCertFile=%q DefaultNetstreamDriverKeyFile=%q)
module(load="imtcp" StreamDriver.Name="gtls" StreamDriver.Mode="1" StreamDriver.AuthMode="x509/certvalid")
template(name="t" type="string" string="%%syslogfacility-text%%|%%msgid%%|%%structured-data%%|%%msg%%\n")
ruleset(name="r") { action(type="omfile" file=%q template="t") }
input(type="imtcp" address="127.0.0.1" port=%q ruleset="r")
`, dir, filepath.Join(c.dir, "cert.pem"), filepath.Join(c.dir, "cert.pem"), filepath.Join(c.dir, "key.pem"), out, port), 0o600))
	cmd := exec.Command("/usr/sbin/rsyslogd", "-n", "-f", config, "-i", filepath.Join(dir, "pid"), "-C")
	said, err := os.Create(filepath.Join(dir, "said"))
	must(t, err)
	cmd.Stdout, cmd.Stderr = said, said
	must(t, cmd.Start())
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		if t.Failed() {
			text, _ := os.ReadFile(said.Name())
			t.Logf("rsyslogd: %s", text)
		}
		said.Close()
	})
	return address, out
}
