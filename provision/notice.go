package provision

import (
	"context"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"teikyo/access"
	"teikyo/ledger"
	"teikyo/models"
	"teikyo/wording"
)

// maxNoticeText is the longest public notice, in characters.
const maxNoticeText = 20_000

// NoticeDraft is what somebody wants to publish. An empty Text takes the
// standard one, in English and Japanese.
type NoticeDraft struct {
	Class   models.DataClass
	Items   []models.Item
	Methods []models.Method
	Text    string
}

// noticeDetails are the details of notice.published.
type noticeDetails struct {
	Class   models.DataClass `json:"class"`
	Version int              `json:"version"`
	Items   []models.Item    `json:"items"`
	Methods []models.Method  `json:"methods"`
	Text    string           `json:"text"`
}

// PublishNotice publishes the next version of the public notice of a class
// (APPI Art. 43(4)): which items are provided, and by which methods.
func (s *Service) PublishNotice(ctx context.Context, actor access.Actor, d NoticeDraft) (models.Notice, error) {
	if err := access.Can(actor, access.PublishNotice, access.Whole()); err != nil {
		return models.Notice{}, err
	}
	if err := d.check(); err != nil {
		return models.Notice{}, err
	}
	id, err := models.NewID(s.Rand, models.NoticeID)
	if err != nil {
		return models.Notice{}, err
	}
	n := models.Notice{ID: id, Class: d.Class, Items: d.Items, Methods: d.Methods, PublishedBy: actor.UserID, PublishedAt: s.now()}
	if n.Text, err = s.noticeText(d, n.PublishedAt); err != nil {
		return models.Notice{}, err
	}
	err = s.Store.Update(ctx, func(ctx context.Context) error {
		last, err := s.Store.CurrentNotice(ctx, d.Class)
		if err != nil && !models.IsKind(err, models.NotFound) {
			return err
		}
		n.Version = last.Version + 1
		if err := s.Store.SaveNotice(ctx, n); err != nil {
			return err
		}
		return s.Store.Append(ctx, &ledger.Entry{
			Kind: ledger.NoticePublished, IDs: map[string]string{"notice": n.ID, "actor": actor.UserID},
			Details: noticeDetails{n.Class, n.Version, n.Items, n.Methods, n.Text},
		})
	})
	return n, err
}

func (d NoticeDraft) check() error {
	if err := models.CheckCode("data class", d.Class, models.DataClasses()); err != nil {
		return err
	}
	if err := models.CheckCodes("item", d.Items, models.Items()); err != nil {
		return err
	}
	if err := models.CheckCodes("method", d.Methods, models.Methods()); err != nil {
		return err
	}
	return checkText("text of the notice", d.Text, maxNoticeText, true)
}

// noticeText is the text of the draft or the standard one in both languages.
func (s *Service) noticeText(d NoticeDraft, at time.Time) (string, error) {
	if d.Text != "" {
		return d.Text, nil
	}
	data := wording.PublicNoticeData{
		Class: string(d.Class), Items: plain(d.Items), Methods: plain(d.Methods),
		Issuer: s.organisation(), Contact: s.Contact, Published: s.day(at),
	}
	var texts []string
	for _, lang := range wording.Languages() {
		text, err := s.Texts.PublicNotice(data, lang)
		if err != nil {
			return "", models.Wrap(models.Internal, err, "the text of the notice could not be made")
		}
		texts = append(texts, text)
	}
	return strings.Join(texts, "\n\n"), nil
}

// Notices lists the published notices, the newest first. They are public.
func (s *Service) Notices(ctx context.Context, page models.Page) ([]models.Notice, error) {
	return s.Store.NoticeList(ctx, page)
}

// CurrentNotices are the notices in force, one for each class that has one, in
// the order of models.DataClasses. They are public.
func (s *Service) CurrentNotices(ctx context.Context) ([]models.Notice, error) {
	var list []models.Notice
	for _, class := range models.DataClasses() {
		n, err := s.Store.CurrentNotice(ctx, class)
		if models.IsKind(err, models.NotFound) {
			continue
		}
		if err != nil {
			return nil, err
		}
		list = append(list, n)
	}
	return list, nil
}

// organisation is the issuer's name for people.
func (s *Service) organisation() string {
	if s.Organisation != "" {
		return s.Organisation
	}
	return s.Keys.Issuer().Origin
}

func (s *Service) now() time.Time { return s.Now().UTC().Truncate(time.Microsecond) }

// day writes the day of an instant in the configured zone.
func (s *Service) day(at time.Time) string { return at.In(s.Zone).Format(time.DateOnly) }

// lastDay writes the last day of something that ends at the exclusive instant.
func (s *Service) lastDay(end time.Time) string { return s.day(end.Add(-time.Microsecond)) }

func plain[T ~string](codes []T) []string {
	list := make([]string, len(codes))
	for i, c := range codes {
		list[i] = string(c)
	}
	return list
}

// checkText refuses text for people that is too long, not UTF-8 or holds
// characters that steer a terminal or change the direction of writing: what shows
// is what is approved. Several lines only where they are allowed. what names it.
func checkText(what, text string, limit int, lines bool) error {
	switch {
	case !utf8.ValidString(text):
		return models.Errorf(models.Invalid, "the %s is not valid UTF-8", what)
	case utf8.RuneCountInString(text) > limit:
		return models.Errorf(models.Invalid, "the %s is longer than %s characters; shorten it", what, strconv.Itoa(limit))
	}
	for _, r := range text {
		if r == '\n' || r == '\t' || r == '\r' {
			if lines {
				continue
			}
		} else if !unicode.IsControl(r) && !unicode.In(r, unicode.Zl, unicode.Zp, unicode.Bidi_Control) {
			continue
		}
		return models.Errorf(models.Invalid, "the %s holds a control character (%U); remove it", what, r)
	}
	return nil
}
