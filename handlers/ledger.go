package handlers

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/gin-gonic/gin"

	"teikyo/access"
	"teikyo/ledger"
	"teikyo/models"
)

func (a *api) ledgerRoutes() {
	add(a, route{
		method: http.MethodGet, path: "/ledger/entries", id: "list-ledger-entries", tag: "ledger",
		summary: "Ledger entries with their details, the oldest first",
	}, a.listEntries)
	add(a, route{
		method: http.MethodGet, path: "/ledger/proofs/{index}", id: "get-ledger-proof", tag: "ledger",
		summary: "The receipt of a ledger entry (C2SP tlog-proof)",
	}, a.getProof)
	a.engine.GET("/ledger/checkpoint", a.getCheckpoint)
	a.engine.GET("/ledger/tile/*tile", a.getTile)
	a.engine.GET("/.well-known/teikyo.json", a.getIssuer)
}

type entriesInput struct {
	PageInput
	Kind string `query:"kind" maxLength:"64" doc:"Entries of this kind alone, such as provision.issued."`
	Noun string `query:"noun" maxLength:"32" doc:"With id: entries that speak of this thing, such as recipient."`
	ID   string `query:"id" maxLength:"128"`
	Log  int    `query:"log" minimum:"0" doc:"Number of a log that a forced restore ended; 0 or absent: the present one."`
}

type entryView struct {
	Index          int64             `json:"index"`
	Time           time.Time         `json:"time"`
	Kind           string            `json:"kind"`
	IDs            map[string]string `json:"ids"`
	Details        json.RawMessage   `json:"details,omitempty" doc:"Absent when they were redacted."`
	ManifestSHA256 string            `json:"manifest_sha256,omitempty"`
	RetentionUntil time.Time         `json:"retention_until"`
	Leaf           string            `json:"leaf" doc:"The bytes that are hashed into the tree."`
}

func (a *api) listEntries(ctx context.Context, actor access.Actor, in *entriesInput) (*body[listOf[entryView]], error) {
	if err := access.Can(actor, access.ReadLedger, access.Whole()); err != nil {
		return nil, err
	}
	if (in.Noun == "") != (in.ID == "") {
		return nil, models.Errorf(models.Invalid, "noun and id belong together; give both or none")
	}
	page := in.page()
	records, err := a.Ledger.Entries(ctx, models.EntryFilter{Noun: in.Noun, ID: in.ID, Kind: in.Kind, Log: in.Log}, page)
	if err != nil {
		return nil, err
	}
	list := listOf[entryView]{Items: make([]entryView, len(records))}
	for i, r := range records {
		list.Items[i] = entryView{
			Index: r.Index, Time: r.Time, Kind: string(r.Kind), IDs: r.IDs, Details: json.RawMessage(r.Details),
			ManifestSHA256: r.ManifestSHA256, RetentionUntil: r.RetentionUntil, Leaf: string(r.Leaf),
		}
	}
	if len(records) == page.Size() {
		list.Next = strconv.FormatInt(records[len(records)-1].Index, 10)
	}
	return respond(list, nil)
}

type proofInput struct {
	Index int64 `path:"index" minimum:"0"`
}

type proofView struct {
	Index int64  `json:"index"`
	Proof string `json:"proof" doc:"The text of a *.tlog-proof file: leaf, proof and signed checkpoint."`
}

func (a *api) getProof(ctx context.Context, actor access.Actor, in *proofInput) (*body[proofView], error) {
	if err := access.Can(actor, access.ReadLedger, access.Whole()); err != nil {
		return nil, err
	}
	text, err := a.Ledger.Receipt(ctx, in.Index)
	return respond(proofView{Index: in.Index, Proof: string(text)}, err)
}

// getCheckpoint serves the newest checkpoint that the second place holds, and no
// newer one: what is served here can be held against the issuer.
func (a *api) getCheckpoint(c *gin.Context) {
	text := a.Issuer.Checkpoint()
	if text == nil {
		writeProblem(c, models.Errorf(models.NotFound, "the ledger has no checkpoint yet"))
		return
	}
	c.Data(http.StatusOK, "text/plain; charset=utf-8", text)
}

// getTile serves hashes of the published tree (C2SP tlog-tiles). Entries are not
// public, so there are no entry bundles.
func (a *api) getTile(c *gin.Context) {
	tile, err := ledger.ParseTilePath("tile" + c.Param("tile"))
	if err != nil || strings.HasPrefix(c.Param("tile"), "/entries/") {
		writeProblem(c, errNoRoute)
		return
	}
	size, err := a.publishedSize()
	if err != nil {
		writeProblem(c, err)
		return
	}
	data, err := ledger.ReadTile(tile, size, a.Ledger.HashReader(c.Request.Context()))
	if errors.Is(err, ledger.ErrNoTile) {
		err = errNoRoute
	}
	if err != nil {
		writeProblem(c, err)
		return
	}
	c.Header("Cache-Control", "public, max-age=604800, immutable")
	c.Data(http.StatusOK, "application/octet-stream", data)
}

func (a *api) publishedSize() (int64, error) {
	text := a.Issuer.Checkpoint()
	if text == nil {
		return 0, nil
	}
	checkpoint, err := ledger.ParseCheckpoint(text)
	if err != nil {
		return 0, models.Wrap(models.Internal, err, "the ledger's own checkpoint cannot be read")
	}
	return checkpoint.Tree.N, nil
}

// getIssuer serves the issuer file. It names no secret and proves nothing by
// itself: people compare its fingerprint.
func (a *api) getIssuer(c *gin.Context) {
	text, err := a.Issuer.IssuerFile()
	if err != nil {
		writeProblem(c, models.Wrap(models.Internal, err, "the issuer file cannot be made"))
		return
	}
	c.DataFromReader(http.StatusOK, int64(len(text)), "application/json", bytes.NewReader(text), nil)
}
