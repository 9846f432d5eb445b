package handlers

import (
	"context"
	"net/http"
	"time"

	"github.com/gin-gonic/gin"

	"teikyo/access"
	"teikyo/models"
	"teikyo/provision"
	"teikyo/web"
)

func (a *api) noticeRoutes() {
	const tag = "notices"
	add(a, route{post, "/notices", "notice-publish", "Publish the next version of a public notice", tag, http.StatusCreated, false, 0}, a.publishNotice)
	add(a, route{get, "/notices", "notice-list", "List the public notices, the newest first", tag, 0, true, 0}, a.listNotices)
	add(a, route{get, "/notices/current", "notice-current", "The public notices in force, one for each data class", tag, 0, true, 0}, a.currentNotices)
	a.engine.GET("/notice", a.showNotices)
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

type noticePage struct {
	frame
	Provider string
	Notices  []shownNotice
}

// shownNotice is a notice as the public page shows it.
type shownNotice struct {
	Class, Name    string
	Rehearsal      bool
	Items, Methods []string // names
	Published      time.Time
	Version        int
	Text           string
}

// showNotices is the public page. It is for everybody and for search engines.
func (a *api) showNotices(c *gin.Context) {
	rows, err := a.Provisions.CurrentNotices(c.Request.Context())
	if err != nil {
		a.errorPage(c, err)
		return
	}
	lang := web.Language(c.GetHeader("Accept-Language"))
	page := noticePage{frame: a.frame("noticetitle", lang), Provider: a.Provisions.Provider()}
	for _, n := range rows {
		page.Notices = append(page.Notices, a.shownNotice(n, lang))
	}
	c.Header("Vary", "Accept-Language")
	a.writePage(c, http.StatusOK, "notice", page)
}

func (a *api) shownNotice(n models.Notice, lang string) shownNotice {
	texts := a.Provisions.Texts
	shown := shownNotice{
		Class: string(n.Class), Name: texts.Class(string(n.Class), lang), Rehearsal: n.Class == models.Test,
		Published: n.PublishedAt.In(a.Provisions.Zone), Version: n.Version, Text: n.Text,
	}
	for _, item := range n.Items {
		shown.Items = append(shown.Items, texts.Item(string(item), lang))
	}
	for _, method := range n.Methods {
		shown.Methods = append(shown.Methods, texts.Method(string(method), lang))
	}
	return shown
}
