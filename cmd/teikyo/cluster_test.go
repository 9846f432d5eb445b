//go:build unix

package main

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"teikyo/database/dbtest"
	"teikyo/storage/s3/s3test"
)

// cluster is a world on PostgreSQL with its objects and its second place in
// buckets: what several nodes share.
type cluster struct {
	*world
	store    *s3test.Server
	database string // URL, past anything that stands before it
	prefix   string // of the objects
}

// reach is how the server of a cluster gets to what it stands on; empty: straight.
type reach struct {
	database        string // URL
	objects, second string // HOST:PORT
	more            string // settings
}

// newCluster starts a server with more settings on a database and a store of its
// own.
func newCluster(t *testing.T, more string) *cluster {
	t.Helper()
	c := newStoppedCluster(t, dbtest.Postgres(t), s3test.Start(t))
	c.configure(reach{more: more})
	c.people()
	return c
}

func newStoppedCluster(t *testing.T, database string, store *s3test.Server) *cluster {
	t.Helper()
	return &cluster{world: strangers(t), store: store, database: database, prefix: "data/main"}
}

// configure writes the settings that the next start reads.
func (c *cluster) configure(r reach) {
	c.t.Helper()
	or := func(a, b string) string {
		if a != "" {
			return a
		}
		return b
	}
	text := fmt.Sprintf("database:\n  url: %q\nstorage:\n  url: %q\ncheckpoints_url: %q\nkeys_dir: %q\n%s",
		or(r.database, c.database), c.store.URLAt(or(r.objects, c.store.Address), c.prefix),
		c.store.URLAt(or(r.second, c.store.Address), "second/place"), c.folder("shared/keys"), r.more)
	c.flags = []string{"--config", c.file("node.yaml", []byte(text))}
}

// object is the file in which the store keeps an object.
func (c *cluster) object(key string) string { return c.store.Path(c.prefix, key) }

// objects are the names of all objects.
func (c *cluster) objects() string { return filepath.Dir(c.object("x")) }

// premises are those of the cluster.
func (c *cluster) premises() *premises {
	return &premises{
		world: c.world, stored: c.objects(), local: c.flags, object: c.object,
		rows: func(query string) (found [][]string) {
			for line := range strings.Lines(dbtest.SQL(c.t, c.database, query)) {
				found = append(found, strings.Split(strings.TrimSpace(line), "|"))
			}
			return found
		},
	}
}

// wantWhole wants the ledger whole, and nothing missing that a row names.
func (c *cluster) wantWhole() {
	c.t.Helper()
	c.verifyLedger(c.flags...)
	if report := c.alice.json(append([]string{"storage", "check", "--data", c.data}, c.flags...)...); report["ok"] != true {
		c.t.Fatal(report)
	}
}

// What TestKilledServer does, on PostgreSQL and a bucket.
func TestKilledServerOfACluster(t *testing.T) {
	t.Parallel()
	newSurvivors(newCluster(t, "").premises()).surviveAll(9)
}
