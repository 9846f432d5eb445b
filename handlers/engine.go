package handlers

import (
	"crypto/rand"
	"log/slog"
	"net/http"
	"net/netip"
	"net/url"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humagin"
	"github.com/gin-gonic/gin"

	"teikyo/access"
	"teikyo/audit"
	"teikyo/dataset"
	"teikyo/disposal"
	"teikyo/events"
	"teikyo/legacy"
	"teikyo/provision"
	"teikyo/provision/dispatch"
	"teikyo/recipient"
	"teikyo/rekey"
	"teikyo/report"
	"teikyo/web"
)

// Config is what the edge needs. Every field must be set unless it says that it
// may be nil.
type Config struct {
	Access     *access.Service
	Datasets   *dataset.Service
	Recipients *recipient.Service
	Provisions *provision.Service
	Links      *provision.Links
	Deliveries *dispatch.Desk
	Events     *events.Feed
	Webhooks   *events.Webhooks
	Rekey      *rekey.Service
	Reports    *report.Service
	Disposals  *disposal.Service
	Audit      *audit.Service
	Imports    *legacy.Service
	Ledger     LedgerReader
	Issuer     Issuer
	Health     Health
	// Answers makes POST heed Idempotency-Key; nil: only datasets heed it.
	Answers Answers
	// Turns counts the attempts to redeem links for all nodes; nil: this one
	// counts alone.
	Turns Turns
	// PublicURL is the base of every link, for example "https://data.example.jp".
	// It is never derived from a request's Host header.
	PublicURL string
	// TrustedProxies are the addresses whose X-Forwarded-For counts; may be nil.
	TrustedProxies []netip.Prefix
	// Log gets one line a request; may be nil.
	Log *slog.Logger
	// Now is the clock; nil means time.Now.
	Now func() time.Time
	// Observe counts an answered request by method, route pattern, status, bytes
	// of the answer and time; may be nil.
	Observe func(method, route string, status, bytes int, took time.Duration)
	// ClientsDir is the folder of builds that recipients can fetch; empty: none.
	ClientsDir string
	// Version is shown by /api/v1/version.
	Version string
}

type api struct {
	Config
	engine *gin.Engine
	huma   huma.API

	pages   *web.Pages
	redeems *redeemLimit
}

// New builds the HTTP handler of the server.
func New(cfg Config) (http.Handler, error) {
	a, err := newAPI(cfg)
	if err != nil {
		return nil, err
	}
	return protection(cfg.PublicURL).Handler(slashesInPaths(a.engine)), nil
}

// newAPI is New without what stands around the engine.
func newAPI(cfg Config) (*api, error) {
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	gin.SetMode(gin.ReleaseMode)
	engine := gin.New()
	engine.HandleMethodNotAllowed = true
	engine.UseRawPath = true
	engine.UnescapePathValues = true
	if err := engine.SetTrustedProxies(prefixStrings(cfg.TrustedProxies)); err != nil {
		return nil, err
	}
	pages, err := web.Load()
	if err != nil {
		return nil, err
	}
	a := &api{Config: cfg, engine: engine, pages: pages, redeems: newRedeemLimit(cfg.Now, cfg.Turns)}
	engine.Use(a.requestID, a.logRequest, a.recoverPanic, a.securityHeaders, a.authenticate)
	engine.NoRoute(func(c *gin.Context) { writeProblem(c, errNoRoute) })
	engine.NoMethod(func(c *gin.Context) { writeProblem(c, errNoMethod) })
	a.huma = humagin.New(engine, humaConfig(cfg.Version))
	a.routes()
	return a, nil
}

// protection refuses forms of other sites. Our own is known by the public
// address, too: a proxy may have changed the Host header.
func protection(publicURL string) *http.CrossOriginProtection {
	p := http.NewCrossOriginProtection()
	if u, err := url.Parse(publicURL); err == nil && u.Host != "" {
		_ = p.AddTrustedOrigin(u.Scheme + "://" + u.Host) // well-formed by now
	}
	return p
}

func prefixStrings(prefixes []netip.Prefix) []string {
	var list []string
	for _, p := range prefixes {
		list = append(list, p.String())
	}
	return list
}

// humaConfig turns off what would reach outwards or trust the Host header: the
// docs page (a CDN) and the $schema links.
func humaConfig(version string) huma.Config {
	shapeErrors()
	cfg := huma.DefaultConfig("Teikyo", version)
	cfg.OpenAPIPath = "/api/v1/openapi"
	cfg.DocsPath = ""
	cfg.SchemasPath = ""
	cfg.CreateHooks = nil
	cfg.Components.SecuritySchemes = map[string]*huma.SecurityScheme{
		"token": {Type: "http", Scheme: "bearer", Description: "API token (teikyo login, teikyo token create)"},
	}
	return cfg
}

func newRequestID() string { return rand.Text()[:16] }
