package egress

import (
	"bufio"
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

// maxConnectAnswer bounds the head of the proxy's answer, in bytes.
const maxConnectAnswer = 16 << 10

// Proxy is an HTTP proxy that carries connections by CONNECT (RFC 9110, 9.3.6).
// The guard cannot see what address the proxy dials, so it carries named hosts
// only.
type Proxy struct {
	// Address is the proxy's own "host:port"; it may be private.
	Address string
	// Hosts lists the exact targets, "host:port", that go through it.
	Hosts []string
	// User and Password are sent as Basic authentication unless User is empty.
	User, Password string
}

func (p *Proxy) validate() error {
	for _, address := range append([]string{p.Address}, p.Hosts...) {
		host, port, err := net.SplitHostPort(address)
		if err == nil && !plainHost(host) {
			err = errors.New("the host is not a name or an address")
		}
		if n, convErr := strconv.Atoi(port); err == nil && (convErr != nil || n < 1 || n > 65535) {
			err = errors.New("the port is not a number from 1 to 65535")
		}
		if err != nil {
			return fmt.Errorf("egress: proxy: %q: %w", address, err)
		}
	}
	if len(p.Hosts) == 0 {
		return errors.New("egress: the proxy lists no hosts: name each target as host:port")
	}
	if strings.Contains(p.User, ":") {
		return errors.New("egress: the proxy's user name holds a colon")
	}
	return nil
}

// plainHost tells whether host is made of the characters of names and literals,
// so that it can stand in a request line.
func plainHost(host string) bool {
	return host != "" && !strings.ContainsFunc(host, func(r rune) bool {
		return !(r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("-._:", r))
	})
}

// carries tells whether address is one of the listed targets; names compare
// without case.
func (p *Proxy) carries(address string) bool {
	return slices.ContainsFunc(p.Hosts, func(h string) bool { return strings.EqualFold(h, address) })
}

// dialProxy returns a connection to address through the proxy.
func (g Guard) dialProxy(ctx context.Context, address string) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, g.timeout())
	defer cancel()
	conn, err := g.plainDialer().DialContext(ctx, "tcp", g.Proxy.Address)
	if err != nil {
		return nil, fmt.Errorf("egress: proxy: %w", err)
	}
	stop := context.AfterFunc(ctx, func() { _ = conn.SetDeadline(time.Unix(1, 0)) })
	err = g.Proxy.connect(conn, address)
	if !stop() && err == nil {
		err = ctx.Err() // the deadline is, or will be, set on a connection of no use
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("egress: proxy: %w", err), ctx.Err(), conn.Close())
	}
	return conn, nil
}

// connect asks the proxy at the other end of conn for a tunnel to address.
func (p *Proxy) connect(conn io.ReadWriter, address string) error {
	request := "CONNECT " + address + " HTTP/1.1\r\nHost: " + address + "\r\n"
	if p.User != "" {
		secret := base64.StdEncoding.EncodeToString([]byte(p.User + ":" + p.Password))
		request += "Proxy-Authorization: Basic " + secret + "\r\n"
	}
	if _, err := io.WriteString(conn, request+"\r\n"); err != nil {
		return err
	}
	head, err := readHead(conn)
	if err != nil {
		return err
	}
	answer, err := http.ReadResponse(bufio.NewReader(bytes.NewReader(head)), &http.Request{Method: http.MethodConnect})
	if err != nil {
		return err
	}
	if err := answer.Body.Close(); err != nil {
		return err
	}
	if answer.StatusCode != http.StatusOK {
		return fmt.Errorf("it answers %d to CONNECT %s", answer.StatusCode, address)
	}
	return nil
}

// readHead reads up to the empty line and not one byte more: what follows
// belongs to the target, which may speak first.
func readHead(r io.Reader) ([]byte, error) {
	var head []byte
	for one := make([]byte, 1); len(head) < maxConnectAnswer; {
		if _, err := io.ReadFull(r, one); err != nil {
			return nil, err
		}
		head = append(head, one[0])
		if bytes.HasSuffix(head, []byte("\r\n\r\n")) {
			return head, nil
		}
	}
	return nil, fmt.Errorf("its answer is longer than %d bytes", maxConnectAnswer)
}
