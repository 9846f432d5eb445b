package egress

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/net/dns/dnsmessage"
)

var loopback = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8"), netip.MustParsePrefix("::1/128")}

// lyingResolver resolves every name to 127.0.0.1 and ::1.
func lyingResolver() *net.Resolver {
	return &net.Resolver{PreferGo: true, Dial: func(context.Context, string, string) (net.Conn, error) {
		client, server := net.Pipe()
		go answerDNS(server)
		return client, nil
	}}
}

// answerDNS answers one query in the framing of TCP, which the resolver uses on
// connections that are no packet connections.
func answerDNS(conn net.Conn) {
	defer conn.Close()
	size := make([]byte, 2)
	if _, err := io.ReadFull(conn, size); err != nil {
		return
	}
	query := make([]byte, int(size[0])<<8|int(size[1]))
	if _, err := io.ReadFull(conn, query); err != nil {
		return
	}
	var m dnsmessage.Message
	if m.Unpack(query) != nil || len(m.Questions) != 1 {
		return
	}
	m.Response, m.RecursionAvailable, m.Additionals = true, true, nil
	m.Answers = []dnsmessage.Resource{loopbackRecord(m.Questions[0])}
	answer, err := m.AppendPack(make([]byte, 2))
	if err != nil {
		return
	}
	answer[0], answer[1] = byte((len(answer)-2)>>8), byte(len(answer)-2)
	_, _ = conn.Write(answer)
}

func loopbackRecord(q dnsmessage.Question) dnsmessage.Resource {
	header := dnsmessage.ResourceHeader{Name: q.Name, Class: q.Class, TTL: 1}
	if q.Type == dnsmessage.TypeAAAA {
		return dnsmessage.Resource{Header: header, Body: &dnsmessage.AAAAResource{AAAA: netip.IPv6Loopback().As16()}}
	}
	return dnsmessage.Resource{Header: header, Body: &dnsmessage.AResource{A: [4]byte{127, 0, 0, 1}}}
}

// countingListener accepts and counts connections to 127.0.0.1.
func countingListener(t *testing.T) (port string, accepted *atomic.Int32) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { listener.Close() })
	accepted = new(atomic.Int32)
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			accepted.Add(1)
			conn.Close()
		}
	}()
	_, port, err = net.SplitHostPort(listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	return port, accepted
}

// hostile are spellings that reach this machine or its network somewhere.
var hostile = []string{
	"127.0.0.1", "127.1", "127.0.1", "0x7f.1", "0x7f000001", "2130706433", "017700000001", "0177.0.0.1", "0177.0.0.01",
	"127.000.000.001", "127.0.0.1.", "0", "0.0.0.0", "0x0", "localhost", "LOCALHOST", "localhost.", "localhost.localdomain",
	"ip6-localhost", "ip6-loopback", "127.0.0.1.nip.example", "rebind.example", "[::1]", "[::]", "[0:0:0:0:0:0:0:1]",
	"[::ffff:127.0.0.1]", "[::ffff:7f00:1]", "[::127.0.0.1]", "[64:ff9b::127.0.0.1]", "[2002:7f00:1::]", "[2001:0:7f00:1::]",
	"[::ffff:0:127.0.0.1]", "[fe80::1%lo]", "[::1%lo]", "[fec0::1]", "[fd00:ec2::254]", "[ff02::1]", "169.254.169.254",
	"100.64.0.1", "10.0.0.1", "192.168.1.1", "172.16.0.1", "224.0.0.1", "255.255.255.255", "198.18.0.1",
	"①②⑦.⓪.⓪.①", "127。0。0。1", "１２７.0.0.1", "%31%32%37.0.0.1", "127.0.0.1%00.example", "127.0.0.1\x00.example",
	"metadata.google.internal", "host.docker.internal", "kubernetes.default.svc", "a.example@127.0.0.1", "127.0.0.1#.example",
	"", " ", "127.0.0.1 ", "*",
}

func TestHostileSpellings(t *testing.T) {
	t.Parallel()
	port, accepted := countingListener(t)
	for _, host := range hostile {
		t.Run(host, func(t *testing.T) {
			g := Guard{Timeout: 2 * time.Second, resolver: lyingResolver()}
			conn, err := g.DialContext(t.Context(), "tcp", host+":"+port)
			if err == nil {
				conn.Close()
				t.Fatalf("connected to %v", conn.RemoteAddr())
			}
			if net.ParseIP(strings.Trim(host, "[]")) != nil && !errors.Is(err, ErrRefused) {
				t.Errorf("%v, want ErrRefused", err)
			}
		})
	}
	if n := accepted.Load(); n != 0 {
		t.Errorf("%d connections came through", n)
	}
}

// The counterpart: the same names do connect when loopback is permitted, so that
// the test above shows the guard at work and not a broken resolver.
func TestPermittedLoopback(t *testing.T) {
	t.Parallel()
	port, _ := countingListener(t)
	g := Guard{AllowPrivate: loopback, resolver: lyingResolver()}
	for _, host := range []string{"127.0.0.1", "rebind.example", "127.0.0.1.nip.example"} {
		conn, err := g.DialContext(t.Context(), "tcp", net.JoinHostPort(host, port))
		if err != nil {
			t.Errorf("%s: %v", host, err)
			continue
		}
		conn.Close()
		strict := Guard{resolver: g.resolver}
		if _, err := strict.DialContext(t.Context(), "tcp", net.JoinHostPort(host, port)); !errors.Is(err, ErrRefused) {
			t.Errorf("%s without permission: %v, want ErrRefused", host, err)
		}
		if _, err := strict.Dialer().DialContext(t.Context(), "tcp", net.JoinHostPort(host, port)); !errors.Is(err, ErrRefused) {
			t.Errorf("%s by the dialer alone: %v, want ErrRefused", host, err)
		}
	}
}

func TestOtherNetworks(t *testing.T) {
	t.Parallel()
	g := Guard{AllowPrivate: loopback}
	for _, network := range []string{"udp", "udp4", "unix", "ip4:1", "unixgram"} {
		if conn, err := g.DialContext(t.Context(), network, "127.0.0.1:9"); err == nil {
			conn.Close()
			t.Errorf("%s: connected", network)
		}
	}
	for _, address := range []string{"", "example.org", "127.0.0.1", "[::1]", "a:b:c"} {
		if _, err := g.DialContext(t.Context(), "tcp", address); err == nil {
			t.Errorf("%q: connected", address)
		}
	}
}

func TestBind(t *testing.T) {
	t.Parallel()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	g := Guard{AllowPrivate: loopback, Bind: netip.MustParseAddr("127.0.0.9")}
	conn, err := g.DialContext(t.Context(), "tcp", listener.Addr().String())
	if err != nil {
		t.Skipf("this system has only one loopback address: %v", err)
	}
	defer conn.Close()
	if got := conn.LocalAddr().(*net.TCPAddr).AddrPort().Addr(); got != g.Bind {
		t.Errorf("bound to %v, want %v", got, g.Bind)
	}
}

func TestHTTPClient(t *testing.T) {
	t.Parallel()
	other := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("the redirect was followed") }))
	defer other.Close()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Accept-Encoding") != "" {
			t.Error("asks for compression")
		}
		if r.URL.Path == "/go" {
			http.Redirect(w, r, other.URL, http.StatusFound)
		}
	}))
	defer server.Close()
	if _, err := (Guard{}).HTTPClient(nil).Get(server.URL); !errors.Is(err, ErrRefused) {
		t.Errorf("loopback: %v, want ErrRefused", err)
	}
	client := Guard{AllowPrivate: loopback}.HTTPClient(nil)
	defer client.CloseIdleConnections()
	answer, err := client.Get(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	answer.Body.Close()
	if _, err := client.Get(server.URL + "/go"); !errors.Is(err, ErrRedirect) {
		t.Errorf("redirect: %v, want ErrRedirect", err)
	}
}

// Not parallel: it sets the environment.
func TestHTTPClientHeedsNoProxyOfTheEnvironment(t *testing.T) {
	for _, name := range []string{"HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy"} {
		t.Setenv(name, "http://127.0.0.1:1")
	}
	transport := Guard{}.HTTPClient(nil).Transport.(*http.Transport)
	if transport.Proxy != nil {
		t.Error("the transport has a proxy function")
	}
}

func TestHTTPClientTLS(t *testing.T) {
	t.Parallel()
	mine := &tls.Config{ServerName: "partner.example", MinVersion: tls.VersionTLS13}
	got := Guard{}.HTTPClient(mine).Transport.(*http.Transport).TLSClientConfig
	if got == mine || got.ServerName != "partner.example" || got.MinVersion != tls.VersionTLS13 {
		t.Errorf("TLS configuration %+v", got)
	}
	if got := (Guard{}).HTTPClient(&tls.Config{MinVersion: tls.VersionTLS10}).Transport.(*http.Transport).TLSClientConfig; got.MinVersion != tls.VersionTLS12 {
		t.Errorf("TLS from version %x", got.MinVersion)
	}
}
