package handlers

import (
	"context"
	"time"

	"teikyo/access"
	"teikyo/events"
)

func (a *api) eventRoutes() {
	const tag = "events"
	add(a, route{get, "/events", "event-list", "What happened, in the ledger's order; waits for news when asked to", tag, 0, false, 0}, a.listEvents)
}

type listEventsInput struct {
	PageInput
	Kind []string `query:"kind,explode" maxItems:"50" maxLength:"64" doc:"Events of these kinds alone; provision. stands for all that begin so."`
	From string   `query:"from" enum:"oldest,newest" default:"oldest" doc:"Where to start without a cursor."`
	Wait int      `query:"wait" minimum:"0" maximum:"30" doc:"Seconds to wait when there is nothing yet."`
}

type eventView struct {
	Index  int64             `json:"index" doc:"Of the ledger entry."`
	Kind   string            `json:"kind"`
	Time   time.Time         `json:"time"`
	IDs    map[string]string `json:"ids" doc:"What it is about, by noun."`
	Cursor string            `json:"cursor" doc:"Goes on after this event."`
}

type eventsView struct {
	Items []eventView `json:"items" nullable:"false"`
	Next  string      `json:"next_cursor" doc:"Go on with it; it is there even when there is nothing yet."`
	More  bool        `json:"more" doc:"There is more to read at once."`
}

func (a *api) listEvents(ctx context.Context, actor access.Actor, in *listEventsInput) (*body[eventsView], error) {
	batch, err := a.Events.Read(ctx, actor, events.Query{
		Cursor: in.Cursor, Newest: in.From == "newest", Kinds: in.Kind, Limit: in.Limit,
		Wait: time.Duration(in.Wait) * time.Second, Still: stillSignedIn,
	})
	view := eventsView{Items: []eventView{}, Next: batch.Cursor, More: batch.More}
	for _, e := range batch.Events {
		view.Items = append(view.Items, eventView{Index: e.Index, Kind: string(e.Kind), Time: e.Time, IDs: e.IDs, Cursor: e.Cursor()})
	}
	return respond(view, err)
}
