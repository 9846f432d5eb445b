package handlers

import (
	"context"
	"html/template"
	"net/http"
	"time"

	"github.com/gin-gonic/gin"

	"teikyo/access"
	"teikyo/models"
	"teikyo/provision"
)

func (a *api) noticeRoutes() {
	const tag = "notices"
	add(a, route{post, "/notices", "notice-publish", "Publish the next version of a public notice", tag, http.StatusCreated, false, 0}, a.publishNotice)
	add(a, route{get, "/notices", "notice-list", "List the public notices, the newest first", tag, 0, true, 0}, a.listNotices)
	add(a, route{get, "/notices/current", "notice-current", "The public notices in force, one for each data class", tag, 0, true, 0}, a.currentNotices)
	a.engine.GET("/notice", a.noticePage)
}

type noticeView struct {
	ID          string           `json:"id"`
	Class       models.DataClass `json:"class"`
	Version     int              `json:"version" doc:"Counts for each class."`
	Items       []models.Item    `json:"items"`
	Methods     []models.Method  `json:"methods"`
	Text        string           `json:"text"`
	PublishedAt time.Time        `json:"published_at"`
}

func viewNotice(n models.Notice) noticeView {
	return noticeView{
		ID: n.ID, Class: n.Class, Version: n.Version, Items: n.Items, Methods: n.Methods, Text: n.Text, PublishedAt: n.PublishedAt,
	}
}

type publishNoticeInput struct {
	Body struct {
		Class   models.DataClass `json:"class" maxLength:"40"`
		Items   []models.Item    `json:"items" maxItems:"50"`
		Methods []models.Method  `json:"methods" maxItems:"10"`
		Text    string           `json:"text,omitempty" maxLength:"20000" doc:"The standard text in English and Japanese when absent."`
	}
}

func (a *api) publishNotice(ctx context.Context, actor access.Actor, in *publishNoticeInput) (*body[noticeView], error) {
	n, err := a.Provisions.PublishNotice(ctx, actor, provision.NoticeDraft(in.Body))
	return respond(viewNotice(n), err)
}

func (a *api) listNotices(ctx context.Context, _ access.Actor, in *PageInput) (*body[listOf[noticeView]], error) {
	rows, err := a.Provisions.Notices(ctx, in.page())
	cursor := func(n models.Notice) string { return models.TimeCursor(n.PublishedAt, n.ID) }
	return respond(page(rows, in.page(), viewNotice, cursor), err)
}

func (a *api) currentNotices(ctx context.Context, _ access.Actor, _ *none) (*body[listOf[noticeView]], error) {
	rows, err := a.Provisions.CurrentNotices(ctx)
	list := listOf[noticeView]{Items: []noticeView{}}
	for _, n := range rows {
		list.Items = append(list.Items, viewNotice(n))
	}
	return respond(list, err)
}

// noticeTemplate is the public page: no script, no style of its own.
var noticeTemplate = template.Must(template.New("notice").Parse(`<!DOCTYPE html>
<html lang="en">
<head><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>Public notice / 公表事項</title></head>
<body>
<main>
<h1>Public notice / 公表事項</h1>
{{range .}}<article id="{{.Class}}">
<h2>{{.Class}} ({{.Version}})</h2>
<p><time datetime="{{.PublishedAt.Format "2006-01-02T15:04:05Z07:00"}}">{{.PublishedAt.Format "2006-01-02"}}</time></p>
<pre>{{.Text}}</pre>
</article>
{{else}}<p>Nothing has been published yet. / まだ公表事項はありません。</p>
{{end}}</main>
</body>
</html>
`))

func (a *api) noticePage(c *gin.Context) {
	rows, err := a.Provisions.CurrentNotices(c.Request.Context())
	if err != nil {
		writeProblem(c, err)
		return
	}
	c.Header("Content-Type", "text/html; charset=utf-8")
	if err := noticeTemplate.Execute(c.Writer, rows); err != nil {
		_ = c.Error(err)
	}
}
