package egress

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"
)

// fakeProxy accepts connections, reads the head of a request and lets answer do
// the rest. It returns its address and the requests.
func fakeProxy(t *testing.T, answer func(net.Conn)) (string, <-chan *http.Request) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { listener.Close() })
	requests := make(chan *http.Request, 10)
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			go func() {
				defer conn.Close()
				request, err := http.ReadRequest(bufio.NewReader(conn))
				if err != nil {
					return
				}
				requests <- request
				answer(conn)
			}()
		}
	}()
	return listener.Addr().String(), requests
}

func TestProxyCarries(t *testing.T) {
	t.Parallel()
	address, requests := fakeProxy(t, func(conn net.Conn) {
		// The target speaks first, in the same segment as the proxy's answer.
		_, _ = io.WriteString(conn, "HTTP/1.1 200 Connection established\r\nVia: x\r\n\r\nSSH-2.0-banner\r\n")
		_, _ = io.Copy(conn, io.LimitReader(conn, 4))
	})
	g := Guard{Proxy: &Proxy{Address: address, Hosts: []string{"SFTP.example.org:22"}, User: "user", Password: "pass word"}}
	conn, err := g.DialContext(t.Context(), "tcp", "sftp.example.org:22")
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := io.WriteString(conn, "ping"); err != nil {
		t.Fatal(err)
	}
	got, err := io.ReadAll(conn)
	if err != nil || string(got) != "SSH-2.0-banner\r\nping" {
		t.Errorf("read %q, %v", got, err)
	}
	r := <-requests
	user, password, _ := parseProxyAuth(r)
	if r.Method != http.MethodConnect || r.Host != "sftp.example.org:22" || user != "user" || password != "pass word" {
		t.Errorf("the proxy got %s %s from %q", r.Method, r.Host, user)
	}
}

func parseProxyAuth(r *http.Request) (user, password string, ok bool) {
	r.Header.Set("Authorization", r.Header.Get("Proxy-Authorization"))
	return r.BasicAuth()
}

// Only what is listed goes through the proxy; all else is guarded as ever.
func TestProxyCarriesOnlyWhatIsListed(t *testing.T) {
	t.Parallel()
	address, requests := fakeProxy(t, func(net.Conn) {})
	g := Guard{Proxy: &Proxy{Address: address, Hosts: []string{"a.example:22"}}, Timeout: 2 * time.Second, resolver: lyingResolver()}
	for _, target := range []string{"a.example:23", "b.example:22", "xa.example:22", "a.example.:22", "127.0.0.1:22", address} {
		if _, err := g.DialContext(t.Context(), "tcp", target); !errors.Is(err, ErrRefused) {
			t.Errorf("%s: %v, want ErrRefused", target, err)
		}
	}
	select {
	case r := <-requests:
		t.Errorf("the proxy got %s %s", r.Method, r.Host)
	default:
	}
}

func TestProxyRefusals(t *testing.T) {
	t.Parallel()
	const secret = "the-proxy-password"
	answers := map[string]string{
		"403":             "HTTP/1.1 403 Forbidden\r\n\r\n",
		"407":             "HTTP/1.1 407 Proxy Authentication Required\r\nProxy-Authenticate: Basic\r\n\r\n",
		"redirect":        "HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1/\r\n\r\n",
		"no HTTP":         "SSH-2.0-banner\r\n\r\n",
		"cut":             "HTTP/1.1 200 OK\r\n",
		"nothing":         "",
		"endless headers": "HTTP/1.1 200 OK\r\nX: " + strings.Repeat("x", 1<<20),
	}
	for name, answer := range answers {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			address, _ := fakeProxy(t, func(conn net.Conn) { _, _ = io.WriteString(conn, answer) })
			g := Guard{Proxy: &Proxy{Address: address, Hosts: []string{"a.example:22"}, User: "u", Password: secret}}
			conn, err := g.DialContext(t.Context(), "tcp", "a.example:22")
			if err == nil {
				conn.Close()
				t.Fatal("connected")
			}
			if strings.Contains(err.Error(), secret) {
				t.Errorf("the error tells the password: %v", err)
			}
		})
	}
}

func TestProxyThatNeverAnswers(t *testing.T) {
	t.Parallel()
	stop := make(chan struct{})
	t.Cleanup(func() { close(stop) })
	address, requests := fakeProxy(t, func(net.Conn) { <-stop })
	g := Guard{Proxy: &Proxy{Address: address, Hosts: []string{"a.example:22"}}, Timeout: 50 * time.Millisecond}
	if _, err := g.DialContext(t.Context(), "tcp", "a.example:22"); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("%v, want context.DeadlineExceeded", err)
	}
	<-requests
	g.Timeout = time.Hour
	ctx, cancel := context.WithCancel(t.Context())
	go func() { <-requests; cancel() }()
	if _, err := g.DialContext(ctx, "tcp", "a.example:22"); !errors.Is(err, context.Canceled) {
		t.Errorf("%v, want context.Canceled", err)
	}
}

func TestProxyConnectionOutlivesTheTimeout(t *testing.T) {
	t.Parallel()
	address, _ := fakeProxy(t, func(conn net.Conn) {
		_, _ = io.WriteString(conn, "HTTP/1.1 200 OK\r\n\r\n")
		_, _ = io.Copy(conn, conn)
	})
	g := Guard{Proxy: &Proxy{Address: address, Hosts: []string{"a.example:22"}}, Timeout: 5 * time.Second}
	ctx, cancel := context.WithCancel(t.Context())
	conn, err := g.DialContext(ctx, "tcp", "a.example:22")
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	cancel() // ends the dialling only
	if _, err := io.WriteString(conn, "ping"); err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadFull(conn, make([]byte, 4)); err != nil {
		t.Errorf("after the context's end: %v", err)
	}
}

func FuzzReadHead(f *testing.F) {
	f.Add("HTTP/1.1 200 OK\r\n\r\nrest")
	f.Add("\r\n\r\n")
	f.Add("HTTP/1.1 200")
	f.Fuzz(func(t *testing.T, text string) {
		r := strings.NewReader(text)
		head, err := readHead(r)
		if err != nil {
			return
		}
		rest, _ := io.ReadAll(r)
		if string(head)+string(rest) != text || strings.Index(text, "\r\n\r\n")+4 != len(head) {
			t.Errorf("head %q and rest %q of %q", head, rest, text)
		}
	})
}
