package handlers

import (
	"context"
	"net/http"
	"reflect"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humagin"

	"teikyo/access"
	"teikyo/models"
)

// useCase is what a route calls: who asks, the decoded input, the rendered
// answer.
type useCase[I, O any] func(ctx context.Context, actor access.Actor, in *I) (*O, error)

// route describes one operation of the API.
type route struct {
	method  string
	path    string // below /api/v1
	id      string // operationId, kebab-case
	summary string
	tag     string
	status  int   // of success; 0 means 200
	public  bool  // works without signing in
	maxBody int64 // bytes; 0 means defaultBody or publicBody, -1 a stream
}

// add registers a route with its use case. It is the one place where errors of
// use cases become answers.
func add[I, O any](a *api, r route, do useCase[I, O]) {
	op := r.operation()
	a.onceOnly(r, &op)
	serve(a, op, do)
}

// operation describes the route for huma and for the OpenAPI document.
func (r route) operation() huma.Operation {
	op := huma.Operation{
		Method: r.method, Path: "/api/v1" + r.path, OperationID: r.id, Summary: r.summary,
		Tags: []string{r.tag}, DefaultStatus: r.status, MaxBodyBytes: -1, // admit bounds it
		Middlewares: huma.Middlewares{keepHumaContext, r.admit},
	}
	if !r.public {
		op.Security = []map[string][]string{{"token": {}}}
	}
	return op
}

// serve is add for an operation that was described further.
func serve[I, O any](a *api, op huma.Operation, do useCase[I, O]) {
	checkEmbedded(reflect.TypeFor[I]())
	checkEmbedded(reflect.TypeFor[O]())
	huma.Register(a.huma, op, func(ctx context.Context, in *I) (*O, error) {
		actor := actorOf(ctx)
		out, err := do(ctx, actor, in)
		if err != nil {
			recordError(ctx, err)
			return nil, problemOf(err, actor.SignedIn(), requestIDOf(ctx))
		}
		return out, nil
	})
}

// checkEmbedded panics when a structure embeds an unexported one: huma would
// silently leave out its parameters or fields.
func checkEmbedded(t reflect.Type) {
	if t.Kind() != reflect.Struct {
		return
	}
	for i := range t.NumField() {
		f := t.Field(i)
		if f.Anonymous && !f.IsExported() {
			panic("handlers: " + t.String() + " embeds the unexported " + f.Name)
		}
		if f.Name == "Body" || f.Anonymous {
			checkEmbedded(f.Type)
		}
	}
}

type humaContextKey struct{}

func keepHumaContext(ctx huma.Context, next func(huma.Context)) {
	next(huma.WithValue(ctx, humaContextKey{}, ctx))
}

// recordError hands the cause to the log line of the request.
func recordError(ctx context.Context, err error) {
	if hctx, ok := ctx.Value(humaContextKey{}).(huma.Context); ok {
		_ = humagin.Unwrap(hctx).Error(err)
	}
}

// body wraps an input or output structure for huma.
type body[T any] struct {
	Body T
}

// respond wraps the answer v, or passes the error on.
func respond[T any](v T, err error) (*body[T], error) {
	if err != nil {
		return nil, err
	}
	return &body[T]{Body: v}, nil
}

// none is the input or output of operations that have none.
type none struct{}

// PageInput holds the query parameters of every list: keyset paging, no offsets.
type PageInput struct {
	Cursor string `query:"cursor" maxLength:"512" doc:"The next_cursor of the page before."`
	Limit  int    `query:"limit" minimum:"0" maximum:"500" doc:"Rows in a page; 50 when absent."`
}

func (p PageInput) page() models.Page { return models.Page{After: p.Cursor, Limit: p.Limit} }

// listOf is the shape of every list answer.
type listOf[T any] struct {
	Items []T    `json:"items" nullable:"false"`
	Next  string `json:"next_cursor,omitempty" doc:"Ask for the next page with it; absent on the last page."`
}

// page renders rows; cursor gives the sort key of a row. A full page has a next
// one, which may turn out to be empty.
func page[M, V any](rows []M, p models.Page, view func(M) V, cursor func(M) string) listOf[V] {
	list := listOf[V]{Items: make([]V, 0, len(rows))}
	for _, r := range rows {
		list.Items = append(list.Items, view(r))
	}
	if len(rows) > 0 && len(rows) == p.Size() {
		list.Next = cursor(rows[len(rows)-1])
	}
	return list
}

const (
	get    = http.MethodGet
	post   = http.MethodPost
	put    = http.MethodPut
	patch  = http.MethodPatch
	remove = http.MethodDelete
)
