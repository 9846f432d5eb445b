package handlers

import (
	"crypto/sha256"
	"encoding/hex"
	"io"
	"net/http"
	"os"
	"regexp"
	"strings"
	"sync"
	"time"

	"github.com/gin-gonic/gin"

	"teikyo/models"
	"teikyo/web"
)

// clientName is what a build may be called; nothing else of the folder is served.
var clientName = regexp.MustCompile(`^teikyo-[A-Za-z0-9][A-Za-z0-9._-]{0,100}$`)

// maxClients bounds the list of builds.
const maxClients = 100

// clientBuilds are the programs that the operator offers to recipients, with the
// digests of what is in the folder now.
type clientBuilds struct {
	dir string

	mu    sync.Mutex
	known map[string]clientBuild
}

type clientBuild struct {
	Name    string `json:"name"`
	Size    int64  `json:"size"`
	SHA256  string `json:"sha256"`
	changed time.Time
}

// clientRoutes serve builds of the program without an account. They are there
// only when a folder is configured.
func (a *api) clientRoutes() {
	if a.ClientsDir == "" {
		return
	}
	builds := &clientBuilds{dir: a.ClientsDir, known: map[string]clientBuild{}}
	for _, method := range []string{http.MethodGet, http.MethodHead} {
		a.engine.Handle(method, "/clients/", func(c *gin.Context) { a.listClients(c, builds) })
		a.engine.Handle(method, "/clients/:name", func(c *gin.Context) { a.getClient(c, builds) })
	}
}

type clientsPage struct {
	frame
	Builds []clientBuild
}

// listClients is a page, or JSON for programs that ask for it.
func (a *api) listClients(c *gin.Context, builds *clientBuilds) {
	list, err := builds.list()
	if err != nil {
		writeProblem(c, err)
		return
	}
	c.Header("Vary", "Accept, Accept-Language")
	if strings.Contains(c.GetHeader("Accept"), "application/json") {
		c.JSON(http.StatusOK, gin.H{"items": list})
		return
	}
	a.writePage(c, http.StatusOK, "clients", clientsPage{a.frame("clientstitle", web.Language(c.GetHeader("Accept-Language"))), list})
}

// getClient sends one build, or SHA256SUMS as sha256sum -c reads it.
func (a *api) getClient(c *gin.Context, builds *clientBuilds) {
	name := c.Param("name")
	if name == "SHA256SUMS" {
		builds.sums(c)
		return
	}
	f, build, err := builds.open(name)
	if err != nil {
		writeProblem(c, err)
		return
	}
	defer f.Close()
	c.Header("Content-Type", "application/octet-stream")
	c.Header("Content-Disposition", `attachment; filename="`+build.Name+`"`)
	c.Header("ETag", `"`+build.SHA256+`"`)
	c.Header("Cache-Control", "no-cache")
	http.ServeContent(c.Writer, c.Request, build.Name, build.changed, f)
}

func (b *clientBuilds) sums(c *gin.Context) {
	list, err := b.list()
	if err != nil {
		writeProblem(c, err)
		return
	}
	var text strings.Builder
	for _, build := range list {
		text.WriteString(build.SHA256 + "  " + build.Name + "\n")
	}
	c.Header("Cache-Control", "no-cache")
	c.Data(http.StatusOK, "text/plain; charset=utf-8", []byte(text.String()))
}

// list reads the folder; only files that are new or changed are hashed.
func (b *clientBuilds) list() ([]clientBuild, error) {
	entries, err := os.ReadDir(b.dir)
	if err != nil {
		return nil, models.Wrap(models.Unavailable, err, "the builds cannot be read; tell the operator")
	}
	list := []clientBuild{}
	for _, entry := range entries {
		if !clientName.MatchString(entry.Name()) || !entry.Type().IsRegular() || len(list) == maxClients {
			continue
		}
		f, build, err := b.open(entry.Name())
		if err != nil {
			return nil, err
		}
		f.Close()
		list = append(list, build)
	}
	return list, nil
}

// open gives a build and what is known of it. The root keeps links from leading
// out of the folder.
func (b *clientBuilds) open(name string) (*os.File, clientBuild, error) {
	if !clientName.MatchString(name) {
		return nil, clientBuild{}, errNoRoute
	}
	f, err := os.OpenInRoot(b.dir, name)
	if err != nil {
		return nil, clientBuild{}, errNoRoute
	}
	build, err := b.describe(f, name)
	if err != nil {
		f.Close()
		return nil, clientBuild{}, err
	}
	return f, build, nil
}

func (b *clientBuilds) describe(f *os.File, name string) (clientBuild, error) {
	info, err := f.Stat()
	if err != nil || !info.Mode().IsRegular() {
		return clientBuild{}, errNoRoute
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if build, ok := b.known[name]; ok && build.Size == info.Size() && build.changed.Equal(info.ModTime()) {
		return build, nil
	}
	hash := sha256.New()
	size, err := io.Copy(hash, f)
	if err == nil {
		_, err = f.Seek(0, io.SeekStart)
	}
	if err != nil {
		return clientBuild{}, models.Wrap(models.Unavailable, err, "a build cannot be read; tell the operator")
	}
	build := clientBuild{Name: name, Size: size, SHA256: hex.EncodeToString(hash.Sum(nil)), changed: info.ModTime()}
	b.known[name] = build
	return build, nil
}
