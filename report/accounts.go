package report

import (
	"context"
	"encoding/json"
	"iter"
	"strconv"
	"strings"
	"time"

	"teikyo/access"
	"teikyo/ledger"
	"teikyo/models"
	"teikyo/report/sheet"
)

// RolePeriod is a time in which an account had a role and could use it.
type RolePeriod struct {
	Role  models.Role `json:"role"`
	From  time.Time   `json:"from"`
	To    time.Time   `json:"to,omitzero"` // zero: still
	By    string      `json:"by"`          // who brought it about
	Ended string      `json:"ended_by,omitempty"`
}

// Account is one line of the review of access.
type Account struct {
	ID           string           `json:"id"`
	Email        string           `json:"email"`
	Name         string           `json:"name"`
	Role         models.Role      `json:"role"`
	Recipient    string           `json:"recipient,omitempty"`
	State        models.UserState `json:"state"`
	Roles        []RolePeriod     `json:"roles"`
	InvitedBy    string           `json:"invited_by,omitempty"`
	ConfirmedBy  string           `json:"confirmed_by,omitempty"`
	ConfirmedAt  time.Time        `json:"confirmed_at,omitzero"`
	Independent  bool             `json:"independently_confirmed"`
	CreatedAt    time.Time        `json:"created_at"`
	LastSignIn   time.Time        `json:"last_sign_in,omitzero"`
	SecondFactor string           `json:"second_factor"`
	Tokens       []AccountToken   `json:"tokens"` // live ones; never their secrets
}

// AccountToken is a live API token or browser session of an account.
type AccountToken struct {
	ID        string           `json:"id"`
	Kind      models.TokenKind `json:"kind"`
	Name      string           `json:"name"`
	CreatedAt time.Time        `json:"created_at"`
	LastUsed  time.Time        `json:"last_used,omitzero"`
	ExpiresAt time.Time        `json:"expires_at,omitzero"`
}

// AccessReview is who had which role when, by the ledger, and what can be used
// to sign in now. A period leaves out accounts that had no role in it.
func (s *Service) AccessReview(ctx context.Context, actor access.Actor, p Period, part *models.Part) (sheet.Document, error) {
	if err := access.Can(actor, access.ReadUsers, access.Whole()); err != nil {
		return nil, err
	}
	from, to, err := s.bounds(p)
	if err != nil {
		return nil, err
	}
	if part != nil {
		if _, _, err := models.ParseTimeCursor(part.After); err != nil {
			return nil, err
		}
	}
	facts, err := s.facts(ctx, actor, p.fact())
	if err != nil {
		return nil, err
	}
	return sheet.Sheet[Account]{
		Name: "access", Title: sheet.Words{EN: "Review of access", JA: "アクセス権限の棚卸表"}, Issuer: s.Provisions.Provider(), Facts: facts,
		Rows: s.accounts(ctx, from, to, part), Next: next(part), Columns: accountColumns(), Prints: s.accountPrints(), Signatures: signatures(),
		Notes: []sheet.Words{{
			EN: "Roles and their times are taken from the ledger (user.changed), not from the accounts as they stand.",
			JA: "権限とその期間は、現在のアカウント情報ではなく台帳の記録（user.changed）に基づきます。",
		}},
	}, nil
}

// bounds are the instants of a period; zero where it has none.
func (s *Service) bounds(p Period) (from, to time.Time, err error) {
	if p.From != "" {
		if from, err = models.StartOfDay(p.From, s.Zone); err != nil {
			return from, to, err
		}
	}
	if p.To != "" {
		to, err = models.EndOfDay(p.To, s.Zone)
	}
	return from, to, err
}

func (s *Service) accounts(ctx context.Context, from, to time.Time, part *models.Part) iter.Seq2[Account, error] {
	return func(yield func(Account, error) bool) {
		cursor := func(u models.User) string { return models.TimeCursor(u.CreatedAt, u.ID) }
		for u, err := range pagedPart(ctx, s.Store.Users, cursor, part) {
			if err != nil {
				yield(Account{}, err)
				return
			}
			a, err := s.account(ctx, u)
			if err == nil && !overlaps(a.Roles, from, to) && (!from.IsZero() || !to.IsZero()) {
				continue
			}
			if !yield(a, err) || err != nil {
				return
			}
		}
	}
}

func overlaps(periods []RolePeriod, from, to time.Time) bool {
	for _, p := range periods {
		if (to.IsZero() || p.From.Before(to)) && (p.To.IsZero() || p.To.After(from)) {
			return true
		}
	}
	return false
}

func (s *Service) account(ctx context.Context, u models.User) (Account, error) {
	a := Account{
		ID: u.ID, Email: u.Email, Name: u.Name, Role: u.Role, Recipient: u.RecipientID, State: u.State, InvitedBy: u.InvitedBy,
		ConfirmedBy: u.ConfirmedBy, ConfirmedAt: u.ConfirmedAt, Independent: u.IndependentlyConfirmed(),
		CreatedAt: u.CreatedAt, LastSignIn: u.LastSignIn, SecondFactor: "none", Tokens: []AccountToken{},
	}
	tokens := func(ctx context.Context, page models.Page) ([]models.Token, error) {
		return s.Store.Tokens(ctx, u.ID, s.Now(), page)
	}
	for t, err := range paged(ctx, tokens, func(t models.Token) string { return models.TimeCursor(t.CreatedAt, t.ID) }) {
		if err != nil {
			return a, err
		}
		a.Tokens = append(a.Tokens, AccountToken{t.ID, t.Kind, t.Name, t.CreatedAt, t.LastUsed, t.ExpiresAt})
	}
	var err error
	a.Roles, err = Roles(ctx, s.Store, u.ID)
	return a, err
}

// Entries reads ledger entries; *database.DB.
type Entries interface {
	Entries(ctx context.Context, f models.EntryFilter, page models.Page) ([]ledger.Record, error)
}

// Roles is the history of an account's roles by the ledger. A role counts from
// the acceptance of the invitation on.
func Roles(ctx context.Context, log Entries, userID string) ([]RolePeriod, error) {
	h := roleHistory{periods: []RolePeriod{}}
	list := func(ctx context.Context, page models.Page) ([]ledger.Record, error) {
		return log.Entries(ctx, models.EntryFilter{Noun: "user", ID: userID, Kind: string(ledger.UserChanged)}, page)
	}
	for rec, err := range paged(ctx, list, func(r ledger.Record) string { return strconv.FormatInt(r.Index, 10) }) {
		if err != nil {
			return nil, err
		}
		if err := h.add(rec); err != nil {
			return nil, err
		}
	}
	return h.periods, nil
}

// roleHistory follows what happened to an account.
type roleHistory struct {
	periods []RolePeriod
	role    models.Role
	active  bool
}

func (h *roleHistory) add(rec ledger.Record) error {
	var d struct {
		What string      `json:"what"`
		Role models.Role `json:"role"`
	}
	if rec.Details == nil { // redacted
		return nil
	}
	if err := json.Unmarshal(rec.Details, &d); err != nil {
		return models.Wrap(models.Integrity, err, "the ledger is damaged; run teikyo ledger verify")
	}
	active := h.active
	switch d.What {
	case "invited", "set up", "role changed":
		h.role = d.Role
		h.active = h.active || d.What == "set up"
		if active && d.What == "role changed" {
			h.end(rec)
			active = false
		}
	case "accepted", "enabled":
		h.active = true
	case "disabled", "reset":
		h.active = false
	}
	switch {
	case h.active && !active:
		h.periods = append(h.periods, RolePeriod{Role: h.role, From: rec.Time, By: rec.IDs["actor"]})
	case !h.active && active:
		h.end(rec)
	}
	return nil
}

func (h *roleHistory) end(rec ledger.Record) {
	if n := len(h.periods); n > 0 {
		h.periods[n-1].To, h.periods[n-1].Ended = rec.Time, rec.IDs["actor"]
	}
}

// rolesText is the history on some lines.
func (s *Service) rolesText(a Account, lang sheet.Lang) []string {
	lines := make([]string, len(a.Roles))
	for i, p := range a.Roles {
		end := s.day(p.To)
		if end == "" {
			end = sheet.Words{EN: "now", JA: "現在"}.In(lang)
		}
		lines[i] = roleName(p.Role).In(lang) + " " + s.day(p.From) + " – " + end
	}
	return lines
}

func roleName(r models.Role) sheet.Words {
	switch r {
	case models.Administrator:
		return sheet.Words{EN: "administrator", JA: "管理者"}
	case models.Manager:
		return sheet.Words{EN: "manager", JA: "データ管理者"}
	case models.Auditor:
		return sheet.Words{EN: "auditor", JA: "監査人"}
	case models.RecipientUser:
		return sheet.Words{EN: "recipient", JA: "提供先利用者"}
	default:
		return sheet.Same(string(r))
	}
}

func accountColumns() []sheet.Column[Account] {
	return []sheet.Column[Account]{
		{Name: "id", Value: func(a Account) string { return a.ID }},
		{Name: "email", Value: func(a Account) string { return a.Email }},
		{Name: "name", Value: func(a Account) string { return a.Name }},
		{Name: "role", Value: func(a Account) string { return string(a.Role) }},
		{Name: "recipient", Value: func(a Account) string { return a.Recipient }},
		{Name: "state", Value: func(a Account) string { return string(a.State) }},
		{Name: "roles", Value: func(a Account) string {
			parts := make([]string, len(a.Roles))
			for i, p := range a.Roles {
				parts[i] = string(p.Role) + " " + sheet.Time(p.From) + "/" + sheet.Time(p.To)
			}
			return strings.Join(parts, "; ")
		}},
		{Name: "invited_by", Value: func(a Account) string { return a.InvitedBy }},
		{Name: "confirmed_by", Value: func(a Account) string { return a.ConfirmedBy }},
		{Name: "confirmed_at", Value: func(a Account) string { return sheet.Time(a.ConfirmedAt) }},
		{Name: "independently_confirmed", Value: func(a Account) string { return strconv.FormatBool(a.Independent) }},
		{Name: "created_at", Value: func(a Account) string { return sheet.Time(a.CreatedAt) }},
		{Name: "last_sign_in", Value: func(a Account) string { return sheet.Time(a.LastSignIn) }},
		{Name: "second_factor", Value: func(a Account) string { return a.SecondFactor }},
		{Name: "api_tokens", Value: func(a Account) string { return strconv.Itoa(a.count(models.APIToken)) }},
		{Name: "sessions", Value: func(a Account) string { return strconv.Itoa(a.count(models.BrowserSession)) }},
		{Name: "token_last_used", Value: func(a Account) string { return sheet.Time(a.lastUsed()) }},
	}
}

func (a Account) count(kind models.TokenKind) int {
	n := 0
	for _, t := range a.Tokens {
		if t.Kind == kind {
			n++
		}
	}
	return n
}

func (a Account) lastUsed() (last time.Time) {
	for _, t := range a.Tokens {
		if t.LastUsed.After(last) {
			last = t.LastUsed
		}
	}
	return last
}

func (s *Service) accountPrints() []sheet.Print[Account] {
	return []sheet.Print[Account]{
		{Label: sheet.Words{EN: "Account", JA: "アカウント"}, Width: 24, Lines: func(a Account, lang sheet.Lang) []string {
			return []string{a.Name, a.Email, a.ID, label(lang, "recipient", "提供先", a.Recipient)}
		}},
		{Label: sheet.Words{EN: "Role, state", JA: "権限・状態"}, Width: 12, Lines: func(a Account, lang sheet.Lang) []string {
			return []string{roleName(a.Role).In(lang), userStateName(a.State).In(lang)}
		}},
		{Label: sheet.Words{EN: "History of roles", JA: "権限の履歴"}, Width: 24, Lines: s.rolesText},
		{Label: sheet.Words{EN: "Invited, confirmed", JA: "招待・確認"}, Width: 18, Lines: func(a Account, lang sheet.Lang) []string {
			shown := sheet.Words{EN: "independence not shown", JA: "独立性：未確認"}
			if a.Independent {
				shown = sheet.Words{EN: "independent", JA: "独立性：確認済"}
			}
			return []string{
				s.day(a.CreatedAt), label(lang, "invited by", "招待", a.InvitedBy),
				strings.TrimSpace(label(lang, "confirmed by", "確認", a.ConfirmedBy) + " " + s.day(a.ConfirmedAt)), shown.In(lang),
			}
		}},
		{Label: sheet.Words{EN: "Sign-in", JA: "サインイン"}, Width: 22, Lines: func(a Account, lang sheet.Lang) []string {
			last := s.day(a.LastSignIn)
			if last == "" {
				last = sheet.Words{EN: "never", JA: "なし"}.In(lang)
			}
			return []string{
				label(lang, "last", "最終", last), label(lang, "second factor", "二要素認証", sheet.Words{EN: a.SecondFactor, JA: "なし"}.In(lang)),
				label(lang, "API tokens", "APIトークン", strconv.Itoa(a.count(models.APIToken))),
				label(lang, "sessions", "セッション", strconv.Itoa(a.count(models.BrowserSession))),
			}
		}},
	}
}

func userStateName(s models.UserState) sheet.Words {
	switch s {
	case models.UserActive:
		return sheet.Words{EN: "active", JA: "有効"}
	case models.UserInvited:
		return sheet.Words{EN: "invited", JA: "招待中"}
	default:
		return sheet.Words{EN: string(s), JA: "停止中"}
	}
}
