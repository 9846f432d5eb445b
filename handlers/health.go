package handlers

import (
	"context"
	"net/http"

	"github.com/gin-gonic/gin"

	"teikyo/access"
)

func (a *api) healthRoutes() {
	a.engine.GET("/healthz", func(c *gin.Context) { c.JSON(http.StatusOK, gin.H{"ok": true}) })
	a.engine.GET("/readyz", a.readyz)
	add(a, route{
		method: http.MethodGet, path: "/version", id: "get-version", tag: "server", public: true,
		summary: "The server's version",
	}, func(context.Context, access.Actor, *none) (*body[versionView], error) {
		return respond(versionView{Version: a.Version}, nil)
	})
}

type versionView struct {
	Version string `json:"version"`
}

// readyz answers 503 while the server must get no requests; warnings alone do
// not.
func (a *api) readyz(c *gin.Context) {
	ready := a.Health.Ready(c.Request.Context())
	status := http.StatusOK
	if !ready.Ready {
		status = http.StatusServiceUnavailable
	}
	c.JSON(status, ready)
}
