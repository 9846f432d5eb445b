package report

import (
	"context"
	"iter"
	"strconv"
	"strings"
	"time"

	"teikyo/access"
	"teikyo/models"
	"teikyo/report/sheet"
)

// DefaultWithin is how many days ahead the report of open ends looks.
const DefaultWithin = 30

// maxWithin is the furthest, in days.
const maxWithin = 3660

// Waiting is where the open ends stand.
type Waiting interface {
	RequestList(ctx context.Context, f models.RequestFilter, page models.Page) ([]models.Request, error)
	RecipientList(ctx context.Context, f models.RecipientFilter, page models.Page) ([]models.Recipient, error)
	// WaitingKeys are those that nobody proved or approved yet, or that end before a
	// time, of recipients that may still receive something; by their id.
	WaitingKeys(ctx context.Context, before time.Time, page models.Page) ([]models.RecipientKey, error)
	Agreements(ctx context.Context, recipientID string, page models.Page) ([]models.Agreement, error)
	Waivers(ctx context.Context, q models.WaiverQuery, page models.Page) ([]models.Waiver, error)
	// EndingLinks are live links with uses left that end in a time, by their end.
	EndingLinks(ctx context.Context, from, to time.Time, page models.Page) ([]models.Link, error)
	// EndingProvisions are those that nobody acknowledged and that end in a time,
	// by their end.
	EndingProvisions(ctx context.Context, from, to time.Time, page models.Page) ([]models.Provision, error)
}

// OpenEnd is something that waits for somebody, or ends soon.
type OpenEnd struct {
	What    string    `json:"what"` // such as request.undecided
	ID      string    `json:"id"`
	Name    string    `json:"name,omitempty"`
	Of      string    `json:"recipient,omitempty"`
	Since   time.Time `json:"since,omitzero"`
	Due     time.Time `json:"due,omitzero"`
	Overdue bool      `json:"overdue"`
	Do      string    `json:"do"` // the command that ends it
}

// OpenEnds is what waits: things that somebody must decide, and what ends within
// that many days, or has ended without anybody doing something about it.
func (s *Service) OpenEnds(ctx context.Context, actor access.Actor, within int, part *models.Part) (sheet.Document, error) {
	if err := access.Can(actor, access.ReadReports, access.Whole()); err != nil {
		return nil, err
	}
	if within == 0 {
		within = DefaultWithin
	}
	if within < 0 || within > maxWithin {
		return nil, models.Errorf(models.Invalid, "give between 1 and %d days", maxWithin)
	}
	w := window{now: s.Now().UTC(), people: access.Can(actor, access.ReadUsers, access.Whole()) == nil}
	w.end = w.now.AddDate(0, 0, within)
	walk := &openWalk{lists: s.openLists(w), part: part, now: w.now}
	var list int
	var after string
	if part != nil {
		var err error
		if list, after, err = openPlace(part.After, len(walk.lists)); err != nil {
			return nil, err
		}
	}
	facts, err := s.facts(ctx, actor, sheet.Fact{
		Name: "until", Label: sheet.Words{EN: "Looks ahead until", JA: "対象期限"}, Value: sheet.Same(s.day(w.end)),
	})
	if err != nil {
		return nil, err
	}
	return sheet.Sheet[OpenEnd]{
		Name: "open-ends", Title: sheet.Words{EN: "Open ends", JA: "未処理・期限管理表"}, Issuer: s.Provisions.Provider(),
		Facts: facts, Rows: walk.rows(ctx, list, after), Next: next(part), Columns: openEndColumns(), Prints: s.openEndPrints(), Signatures: signatures(),
	}, nil
}

// window is the time that the report looks at.
type window struct {
	now, end time.Time
	people   bool // whether the reader may see accounts
}

// soon reports whether t lies before the end of the window; a zero t never does.
func (w window) soon(t time.Time) bool { return !t.IsZero() && t.Before(w.end) }

// openRow is what one row of a list gives, in most lists and for most rows
// nothing.
type openRow struct {
	cursor string
	ends   []OpenEnd
}

// openList reads a page of a list.
type openList func(ctx context.Context, page models.Page) ([]openRow, error)

// opens makes an openList of a list, its cursor and what a row gives.
func opens[T any](list func(ctx context.Context, page models.Page) ([]T, error), cursor func(T) string, find func(T) []OpenEnd) openList {
	return func(ctx context.Context, page models.Page) ([]openRow, error) {
		rows, err := list(ctx, page)
		found := make([]openRow, len(rows))
		for i, row := range rows {
			found[i] = openRow{cursor(row), find(row)}
		}
		return found, err
	}
}

// openLists are the lists of the report, in their order; the cursor of a part
// counts them.
func (s *Service) openLists(w window) []openList {
	lists := []openList{
		s.openRequests(models.RequestSubmitted), s.openRequests(models.RequestReturned),
		s.openRecipients(w), s.openKeys(w), s.openAgreements(w), s.openWaivers(w), s.openLinks(w), s.openProvisions(w),
	}
	if w.people {
		lists = append(lists, s.openAccounts())
	}
	return lists
}

// openPlace is where a part begins: the number of a list, a colon, and the
// cursor in it.
func openPlace(cursor string, lists int) (list int, after string, err error) {
	if cursor == "" {
		return 0, "", nil
	}
	number, after, _ := strings.Cut(cursor, ":")
	list, err = strconv.Atoi(number)
	if err != nil || list < 0 || list >= lists {
		return 0, "", models.Errorf(models.Invalid, "the cursor is not one that a list of open ends gave; begin without it")
	}
	return list, after, nil
}

// openWalk goes through the lists, from a place until a part is full.
type openWalk struct {
	lists []openList
	part  *models.Part // nil: to the end
	now   time.Time
	seen  int // rows looked at
	shown int
}

func (k *openWalk) rows(ctx context.Context, list int, after string) iter.Seq2[OpenEnd, error] {
	return func(yield func(OpenEnd, error) bool) {
		for ; list < len(k.lists); list, after = list+1, "" {
			if !k.read(ctx, list, after, yield) {
				return
			}
		}
	}
}

// read yields what one list gives; false when nothing more is wanted.
func (k *openWalk) read(ctx context.Context, list int, after string, yield func(OpenEnd, error) bool) bool {
	page := models.Page{After: after, Limit: models.MaxPage}
	if k.part != nil {
		page.Limit = min(models.Page{Limit: k.part.Limit}.Size(), models.MaxPage)
	}
	for {
		rows, err := k.lists[list](ctx, page)
		if err != nil {
			yield(OpenEnd{}, err)
			return false
		}
		for i, row := range rows {
			if !k.show(row, yield) {
				return false
			}
			last := i == len(rows)-1 && len(rows) < page.Size() && list == len(k.lists)-1
			if k.full() && !last {
				k.part.Next = strconv.Itoa(list) + ":" + row.cursor
				return false
			}
		}
		if len(rows) < page.Size() {
			return true
		}
		page.After = rows[len(rows)-1].cursor
	}
}

func (k *openWalk) show(row openRow, yield func(OpenEnd, error) bool) bool {
	k.seen++
	for _, end := range row.ends {
		end.Overdue = !end.Due.IsZero() && !end.Due.After(k.now)
		k.shown++
		if !yield(end, nil) {
			return false
		}
	}
	return true
}

// full reports whether the part has its rows, or has cost enough.
func (k *openWalk) full() bool {
	return k.part != nil && (k.shown >= models.Page{Limit: k.part.Limit}.Size() || k.seen >= models.MaxPage)
}

func (s *Service) openRequests(state models.RequestState) openList {
	list := func(ctx context.Context, page models.Page) ([]models.Request, error) {
		return s.Store.RequestList(ctx, models.RequestFilter{State: state}, page)
	}
	return opens(list, func(r models.Request) string { return models.TimeCursor(r.RequestedAt, r.ID) }, openRequest)
}

func openRequest(r models.Request) []OpenEnd {
	end := OpenEnd{What: "request.undecided", ID: r.ID, Name: r.Words, Of: r.RecipientID, Since: r.RequestedAt, Due: r.ExpiresAt, Do: "teikyo request approve " + r.ID}
	if r.State == models.RequestReturned {
		end.What, end.Do = "request.returned", "teikyo request resubmit "+r.ID
	}
	return []OpenEnd{end}
}

func (s *Service) openRecipients(w window) openList {
	list := func(ctx context.Context, page models.Page) ([]models.Recipient, error) {
		return s.Store.RecipientList(ctx, models.RecipientFilter{}, page)
	}
	return opens(list, func(r models.Recipient) string { return r.ID }, func(r models.Recipient) []OpenEnd {
		end := OpenEnd{ID: r.ID, Name: r.Name, Of: r.ID}
		switch {
		case r.State == models.RecipientApplied:
			end.What, end.Since, end.Do = "recipient.undecided", r.AppliedAt, "teikyo recipient approve "+r.ID
		case r.State == models.RecipientSuspended:
			end.What, end.Since, end.Do = "recipient.suspended", r.DecidedAt, "teikyo recipient reinstate "+r.ID
		case r.State == models.RecipientApproved && w.soon(r.ApprovedUntil):
			end.What, end.Due, end.Do = "recipient.ends", r.ApprovedUntil, "teikyo recipient approve "+r.ID
		default:
			return nil
		}
		return []OpenEnd{end}
	})
}

// openKeys looks at the keys of recipients that may still receive something.
func (s *Service) openKeys(w window) openList {
	list := func(ctx context.Context, page models.Page) ([]models.RecipientKey, error) {
		return s.Store.WaitingKeys(ctx, w.end, page)
	}
	return opens(list, func(k models.RecipientKey) string { return k.ID }, func(k models.RecipientKey) []OpenEnd {
		end := OpenEnd{ID: k.ID, Name: k.Holder, Of: k.RecipientID, Since: k.AddedAt, Due: k.ExpiresAt}
		switch k.State {
		case models.KeyAdded:
			end.What, end.Do = "key.unproved", "teikyo recipient key prove "+k.RecipientID+" "+k.ID
		case models.KeyProved:
			end.What, end.Do = "key.unapproved", "teikyo recipient key approve "+k.RecipientID+" "+k.ID
		default:
			end.What, end.Do = "key.ends", "teikyo recipient key add "+k.RecipientID
		}
		return []OpenEnd{end}
	})
}

func (s *Service) openAgreements(w window) openList {
	list := func(ctx context.Context, page models.Page) ([]models.Agreement, error) {
		return s.Store.Agreements(ctx, "", page)
	}
	return opens(list, func(a models.Agreement) string { return a.ID }, func(a models.Agreement) []OpenEnd {
		var ends []OpenEnd
		end := OpenEnd{ID: a.ID, Name: a.Number, Of: a.RecipientID, Since: a.ValidFrom}
		if a.EndedAt.IsZero() && w.soon(a.ValidUntil) {
			end.What, end.Due, end.Do = "agreement.ends", a.ValidUntil, "teikyo agreement add "+a.RecipientID
			ends = append(ends, end)
		}
		if a.Active(w.now) && w.soon(a.ReviewAt) {
			end.What, end.Due, end.Do = "agreement.review", a.ReviewAt, "teikyo agreement show "+a.ID
			ends = append(ends, end)
		}
		return ends
	})
}

func (s *Service) openWaivers(w window) openList {
	list := func(ctx context.Context, page models.Page) ([]models.Waiver, error) {
		return s.Store.Waivers(ctx, models.WaiverQuery{}, page)
	}
	return opens(list, func(v models.Waiver) string { return models.TimeCursor(v.RequestedAt, v.ID) }, func(v models.Waiver) []OpenEnd {
		end := OpenEnd{ID: v.ID, Name: v.DatasetID + " " + v.Path + " " + v.Rule, Since: v.RequestedAt, Due: v.ExpiresAt}
		switch {
		case v.ApprovedBy == "" && v.RejectedBy == "":
			end.What, end.Do = "waiver.undecided", "teikyo waiver approve "+v.ID
		case v.Live(w.now) && w.soon(v.ExpiresAt):
			end.What, end.Do = "waiver.ends", "teikyo waiver request "+v.DatasetID
		default:
			return nil
		}
		return []OpenEnd{end}
	})
}

func (s *Service) openLinks(w window) openList {
	list := func(ctx context.Context, page models.Page) ([]models.Link, error) {
		return s.Store.EndingLinks(ctx, w.now, w.end, page)
	}
	return opens(list, func(l models.Link) string { return models.TimeCursor(l.ExpiresAt, l.ID) }, func(l models.Link) []OpenEnd {
		return []OpenEnd{{
			What: "link.ends", ID: l.ID, Name: l.ProvisionID, Of: l.RecipientID, Since: l.CreatedAt, Due: l.ExpiresAt,
			Do: "teikyo link create " + l.ProvisionID,
		}}
	})
}

func (s *Service) openProvisions(w window) openList {
	list := func(ctx context.Context, page models.Page) ([]models.Provision, error) {
		return s.Store.EndingProvisions(ctx, w.now, w.end, page)
	}
	return opens(list, func(p models.Provision) string { return models.TimeCursor(p.Until, p.ID) }, func(p models.Provision) []OpenEnd {
		return []OpenEnd{{
			What: "provision.unacknowledged", ID: p.ID, Name: p.Number, Of: p.RecipientID, Since: p.IssuedAt, Due: p.Until,
			Do: "teikyo provision acknowledge " + p.ID,
		}}
	})
}

func (s *Service) openAccounts() openList {
	return opens(s.Store.Users, func(u models.User) string { return models.TimeCursor(u.CreatedAt, u.ID) }, func(u models.User) []OpenEnd {
		end := OpenEnd{ID: u.ID, Name: u.Name, Of: u.RecipientID, Since: u.CreatedAt}
		switch {
		case u.State == models.UserInvited:
			end.What, end.Due, end.Do = "account.invited", u.InviteExpires, "teikyo user reset "+u.ID
		case u.State == models.UserActive && u.Role.MayApprove() && !u.Confirmed():
			end.What, end.Do = "account.unconfirmed", "teikyo user confirm "+u.ID
		default:
			return nil
		}
		return []OpenEnd{end}
	})
}

func openEndName(what string) sheet.Words {
	switch what {
	case "request.undecided":
		return sheet.Words{EN: "request not decided", JA: "提供申請：未決"}
	case "request.returned":
		return sheet.Words{EN: "request returned", JA: "提供申請：差戻し中"}
	case "recipient.undecided":
		return sheet.Words{EN: "recipient not decided", JA: "提供先：審査待ち"}
	case "recipient.suspended":
		return sheet.Words{EN: "recipient suspended", JA: "提供先：停止中"}
	case "recipient.ends":
		return sheet.Words{EN: "approval of a recipient ends", JA: "提供先の承認期限"}
	case "key.unproved":
		return sheet.Words{EN: "key not proved", JA: "公開鍵：所持未証明"}
	case "key.unapproved":
		return sheet.Words{EN: "key not approved", JA: "公開鍵：承認待ち"}
	case "key.ends":
		return sheet.Words{EN: "key ends", JA: "公開鍵の期限"}
	case "agreement.ends":
		return sheet.Words{EN: "agreement ends", JA: "契約の期限"}
	case "agreement.review":
		return sheet.Words{EN: "agreement to be reviewed", JA: "契約の見直し期限"}
	case "waiver.undecided":
		return sheet.Words{EN: "waiver not decided", JA: "例外承認：未決"}
	case "waiver.ends":
		return sheet.Words{EN: "waiver ends", JA: "例外承認の期限"}
	case "link.ends":
		return sheet.Words{EN: "link ends", JA: "リンクの期限"}
	case "provision.unacknowledged":
		return sheet.Words{EN: "provision not acknowledged", JA: "受領確認待ち"}
	case "account.invited":
		return sheet.Words{EN: "invitation not accepted", JA: "アカウント：招待未承諾"}
	default:
		return sheet.Words{EN: "account not confirmed", JA: "アカウント：確認待ち"}
	}
}

func openEndColumns() []sheet.Column[OpenEnd] {
	return []sheet.Column[OpenEnd]{
		{Name: "what", Value: func(o OpenEnd) string { return o.What }},
		{Name: "id", Value: func(o OpenEnd) string { return o.ID }},
		{Name: "name", Value: func(o OpenEnd) string { return o.Name }},
		{Name: "recipient", Value: func(o OpenEnd) string { return o.Of }},
		{Name: "since", Value: func(o OpenEnd) string { return sheet.Time(o.Since) }},
		{Name: "due", Value: func(o OpenEnd) string { return sheet.Time(o.Due) }},
		{Name: "overdue", Value: func(o OpenEnd) string {
			if o.Overdue {
				return "yes"
			}
			return ""
		}},
		{Name: "do", Value: func(o OpenEnd) string { return o.Do }},
	}
}

func (s *Service) openEndPrints() []sheet.Print[OpenEnd] {
	return []sheet.Print[OpenEnd]{
		{Label: sheet.Words{EN: "What", JA: "区分"}, Width: 20, Lines: func(o OpenEnd, lang sheet.Lang) []string {
			late := ""
			if o.Overdue {
				late = sheet.Words{EN: "OVERDUE", JA: "期限超過"}.In(lang)
			}
			return []string{openEndName(o.What).In(lang), late}
		}},
		{Label: sheet.Words{EN: "Which", JA: "対象"}, Width: 32, Lines: func(o OpenEnd, lang sheet.Lang) []string {
			return []string{o.Name, o.ID, label(lang, "recipient", "提供先", o.Of)}
		}},
		{Label: sheet.Words{EN: "Since", JA: "発生日"}, Width: 10, Lines: func(o OpenEnd, _ sheet.Lang) []string { return []string{s.day(o.Since)} }},
		{Label: sheet.Words{EN: "Last day", JA: "期限"}, Width: 10, Lines: func(o OpenEnd, _ sheet.Lang) []string { return []string{s.lastDay(o.Due)} }},
		{Label: sheet.Words{EN: "To do", JA: "対応"}, Width: 28, Lines: func(o OpenEnd, _ sheet.Lang) []string { return []string{"", o.Do} }},
	}
}
