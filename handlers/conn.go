package handlers

import (
	"context"
	"errors"
	"net"
	"net/http"
	"time"

	"teikyo/models"
)

type connKey struct{}

// ConnContext keeps the connection of requests, so that a transfer whose right
// has ended can be cut; give it to http.Server.ConnContext.
func ConnContext(ctx context.Context, c net.Conn) context.Context {
	return context.WithValue(ctx, connKey{}, c)
}

// endedEarly is why a transfer must stop now, nil when it was the client who
// went away or the transfer is done.
func endedEarly(ctx context.Context) error {
	var why *models.Error
	if errors.As(context.Cause(ctx), &why) {
		return why
	}
	return nil
}

// cut stops the bytes of an answer at once. A plain close would let a slow
// client go on for as long as the system's buffers last, so the connection is
// reset, and with HTTP/2 the other streams on it with it: their clients come
// again. Without a connection to reset (a test's recorder) writing is stopped.
func cut(ctx context.Context, w http.ResponseWriter) {
	c, ok := ctx.Value(connKey{}).(net.Conn)
	for ok {
		inner, wraps := c.(interface{ NetConn() net.Conn })
		if !wraps {
			break
		}
		c = inner.NetConn()
	}
	if !ok {
		_ = http.NewResponseController(w).SetWriteDeadline(time.Unix(1, 0))
		return
	}
	if tcp, isTCP := c.(interface{ SetLinger(sec int) error }); isTCP {
		_ = tcp.SetLinger(0)
	}
	_ = c.Close()
}
