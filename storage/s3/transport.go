package s3

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net"
	"net/http"
	"os"
	"time"
)

const (
	dialTimeout = 10 * time.Second
	bufferSize  = 128 << 10 // bytes, of each direction of a connection
	idlePool    = 64        // connections kept for the next requests
)

// transport is HTTP/1.1 over TLS to the store alone: no proxy of the
// environment, no compression, and an end to every silence.
func (o Options) transport() (*http.Transport, error) {
	roots, err := o.roots()
	if err != nil {
		return nil, err
	}
	idle := o.Idle
	if idle == 0 {
		idle = defaultIdle
	}
	dial := o.Dial
	if dial == nil {
		dial = (&net.Dialer{Timeout: dialTimeout}).DialContext
	}
	return &http.Transport{
		Proxy: nil,
		DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
			conn, err := dial(ctx, network, address)
			if err != nil {
				return nil, err
			}
			return &impatientConn{Conn: conn, idle: idle}, nil
		},
		TLSClientConfig:     &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: roots},
		TLSNextProto:        map[string]func(string, *tls.Conn) http.RoundTripper{}, // one connection per request: no HTTP/2
		TLSHandshakeTimeout: dialTimeout, MaxIdleConnsPerHost: idlePool, IdleConnTimeout: idle / 2,
		DisableCompression: true, ReadBufferSize: bufferSize, WriteBufferSize: bufferSize,
	}, nil
}

func (o Options) roots() (*x509.CertPool, error) {
	if o.CAFile == "" {
		return nil, nil
	}
	text, err := os.ReadFile(o.CAFile)
	if err != nil {
		return nil, fmt.Errorf("ca_file: %w", err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(text) {
		return nil, fmt.Errorf("ca_file %s holds no certificate in PEM", o.CAFile)
	}
	return pool, nil
}

// impatientConn ends when nothing moves for a while. Whatever is written puts
// the end of the waiting read off too: an answer comes after a long upload.
type impatientConn struct {
	net.Conn
	idle time.Duration
}

// Read implements net.Conn.
func (c *impatientConn) Read(p []byte) (int, error) {
	if err := c.SetReadDeadline(time.Now().Add(c.idle)); err != nil {
		return 0, err
	}
	return c.Conn.Read(p)
}

// Write implements net.Conn.
func (c *impatientConn) Write(p []byte) (int, error) {
	if err := c.SetDeadline(time.Now().Add(c.idle)); err != nil {
		return 0, err
	}
	return c.Conn.Write(p)
}
