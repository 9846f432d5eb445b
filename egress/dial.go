package egress

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"time"
)

const (
	maxResponseHeader = 64 << 10 // bytes
	answerTimeout     = 2 * time.Minute
)

// ErrRedirect means that a server answered with a redirect, which is never
// followed: the target was approved, another one was not.
var ErrRedirect = errors.New("egress: the server redirects elsewhere")

// DialContext connects to address ("host:port") over TCP: by the proxy when it
// lists the address, else directly and only where Check permits. Refusals wrap
// ErrRefused.
func (g Guard) DialContext(ctx context.Context, network, address string) (net.Conn, error) {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return nil, fmt.Errorf("egress: %w", err)
	}
	if g.Proxy != nil && g.Proxy.carries(address) {
		return g.dialProxy(ctx, address)
	}
	// Literals are looked at as they are written: below, IPv4-mapped ones have
	// become plain IPv4.
	if addr, err := netip.ParseAddr(host); err == nil {
		if err := g.Check(addr); err != nil {
			return nil, err
		}
	}
	return g.Dialer().DialContext(ctx, network, address)
}

// HTTPClient returns a client that connects by DialContext, heeds no proxy of
// the environment, follows no redirect (ErrRedirect), keeps no cookies and
// changes no bytes. It sets no limit on the whole exchange: that is the
// context's. config may be nil; TLS is at least 1.2.
func (g Guard) HTTPClient(config *tls.Config) *http.Client {
	if config == nil {
		config = &tls.Config{}
	}
	config = config.Clone()
	config.MinVersion = max(config.MinVersion, tls.VersionTLS12)
	return &http.Client{
		Transport: &http.Transport{
			DialContext:            g.DialContext,
			TLSClientConfig:        config,
			TLSHandshakeTimeout:    g.timeout(),
			ResponseHeaderTimeout:  answerTimeout,
			ExpectContinueTimeout:  time.Second,
			IdleConnTimeout:        90 * time.Second,
			MaxResponseHeaderBytes: maxResponseHeader,
			DisableCompression:     true,
			ForceAttemptHTTP2:      true,
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return ErrRedirect },
	}
}
