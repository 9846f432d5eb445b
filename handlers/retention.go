package handlers

import (
	"context"
	"net/http"
	"time"

	"teikyo/access"
	"teikyo/disposal"
	"teikyo/models"
)

func (a *api) retentionRoutes() {
	const tag = "disposals"
	add(a, route{method: get, path: "/retention", id: "retention-show", tag: tag, summary: "How long each kind of records is kept, and why"}, a.showRetention)
	add(a, route{method: post, path: "/retention", id: "retention-set", tag: tag, summary: "Change how long a kind of records is kept"}, a.setRetention)
	add(a, route{method: get, path: "/disposals/due", id: "disposal-due", tag: tag, summary: "List what is due by the end of a year"}, a.listDue)
	add(a, route{method: post, path: "/disposals", id: "disposal-propose", tag: tag, status: http.StatusCreated,
		summary: "Propose that what is due be disposed of; a second person confirms"}, a.proposeYear)
}

type retentionView struct {
	Record  string    `json:"record"`
	Period  int       `json:"period" doc:"In force."`
	Unit    string    `json:"unit" enum:"years,days"`
	Floor   int       `json:"floor" doc:"Nobody can set less."`
	Default int       `json:"default"`
	From    string    `json:"from" doc:"From when it counts."`
	Law     string    `json:"law" doc:"Where the floor comes from."`
	SetBy   string    `json:"set_by,omitempty"`
	SetAt   time.Time `json:"set_at,omitzero"`
	Reason  string    `json:"reason,omitempty"`
}

func viewRetention(r disposal.RetentionRow) retentionView {
	unit := "years"
	if r.Days {
		unit = "days"
	}
	return retentionView{
		Record: string(r.Kind), Period: r.Period, Unit: unit, Floor: r.Floor, Default: r.Default, From: r.From, Law: r.Law,
		SetBy: r.Set.SetBy, SetAt: r.Set.SetAt, Reason: r.Set.Reason,
	}
}

func (a *api) showRetention(ctx context.Context, actor access.Actor, _ *none) (*body[listOf[retentionView]], error) {
	rows, err := a.Disposals.Retention(ctx, actor)
	list := listOf[retentionView]{Items: []retentionView{}}
	for _, r := range rows {
		list.Items = append(list.Items, viewRetention(r))
	}
	return respond(list, err)
}

type setRetentionInput struct {
	Body struct {
		Record string `json:"record" doc:"A kind of records, as GET /retention names it."`
		Period int    `json:"period" minimum:"0" doc:"Years or days, as its unit says."`
		Reason string `json:"reason" doc:"Why, in words; it stays in the ledger."`
	}
}

func (a *api) setRetention(ctx context.Context, actor access.Actor, in *setRetentionInput) (*body[retentionView], error) {
	row, err := a.Disposals.SetRetention(ctx, actor, models.RecordKind(in.Body.Record), in.Body.Period, in.Body.Reason)
	return respond(viewRetention(row), err)
}

type dueInput struct {
	Year int `query:"year" required:"true" minimum:"2000" maximum:"9999"`
}

type dueView struct {
	Items []dueItemView `json:"items" nullable:"false"`
	More  bool          `json:"more" doc:"There is more than one disposal holds; the rest comes with the next one."`
}

type dueItemView struct {
	Item string    `json:"item" doc:"version:ID@VERSION, provision:ID or application:ID."`
	Due  time.Time `json:"due" doc:"Since when it may go."`
}

func (a *api) listDue(ctx context.Context, actor access.Actor, in *dueInput) (*body[dueView], error) {
	due, err := a.Disposals.DueIn(ctx, actor, in.Year)
	view := dueView{Items: []dueItemView{}, More: due.More}
	for _, item := range due.Items {
		view.Items = append(view.Items, dueItemView{Item: item.Name(), Due: item.Due})
	}
	return respond(view, err)
}

type proposeYearInput struct {
	Body struct {
		Year   int    `json:"year" minimum:"2000" maximum:"9999"`
		Reason string `json:"reason" doc:"Why, in words; it stays in the ledger."`
		Held   []struct {
			Item   string `json:"item" doc:"As GET /disposals/due names it."`
			Reason string `json:"reason" doc:"Why it must stay, for example a lawsuit."`
		} `json:"held,omitempty" maxItems:"2000"`
	}
}

func (a *api) proposeYear(ctx context.Context, actor access.Actor, in *proposeYearInput) (*body[disposalView], error) {
	var held []disposal.Held
	for _, h := range in.Body.Held {
		held = append(held, disposal.Held{Item: h.Item, Reason: h.Reason})
	}
	d, err := a.Disposals.ProposeYear(ctx, actor, in.Body.Year, in.Body.Reason, held)
	return respond(viewDisposal(d), err)
}
