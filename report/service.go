package report

import (
	"context"
	"encoding/hex"
	"iter"
	"strconv"
	"time"

	"teikyo/access"
	"teikyo/ledger"
	"teikyo/models"
	"teikyo/provision"
	"teikyo/report/sheet"
	"teikyo/wording"
)

// Store is the read side of the database; *database.DB.
type Store interface {
	Head(ctx context.Context) (ledger.Head, error)
	Entries(ctx context.Context, f models.EntryFilter, page models.Page) ([]ledger.Record, error)
	Users(ctx context.Context, page models.Page) ([]models.User, error)
	Tokens(ctx context.Context, userID string, now time.Time, page models.Page) ([]models.Token, error)
	User(ctx context.Context, id string) (models.User, error)
	Recipient(ctx context.Context, id string) (models.Recipient, error)
	Waiting
}

// Provisions yields the rows that most reports are about; *provision.Service.
type Provisions interface {
	Report(ctx context.Context, actor access.Actor, q provision.ReportQuery) (iter.Seq2[provision.ReportRow, error], error)
	Statement(ctx context.Context, actor access.Actor, q provision.ReportQuery) (iter.Seq2[provision.ReportRow, error], error)
	Provider() string
}

// Service holds the use cases. Every field must be set.
type Service struct {
	Store      Store
	Provisions Provisions
	Texts      *wording.Texts
	Now        func() time.Time
	// Zone is where the days in reports begin and end.
	Zone *time.Location
}

// Period is the days that a report covers, both inclusive; empty: no bound.
type Period struct{ From, To string }

func (p Period) fact() sheet.Fact {
	label := sheet.Words{EN: "Period", JA: "対象期間"}
	switch {
	case p.From == "" && p.To == "":
		return sheet.Fact{Name: "period", Label: label, Value: sheet.Words{EN: "all", JA: "全期間"}}
	case p.To == "":
		return sheet.Fact{Name: "period", Label: label, Value: sheet.Words{EN: "from " + p.From, JA: p.From + "以降"}}
	case p.From == "":
		return sheet.Fact{Name: "period", Label: label, Value: sheet.Words{EN: "until " + p.To, JA: p.To + "まで"}}
	}
	return sheet.Fact{Name: "period", Label: label, Value: sheet.Words{EN: p.From + " to " + p.To, JA: p.From + "から" + p.To + "まで"}}
}

// facts are those that every report begins with: what it covers, when and by
// whom it was made, and the state of the ledger that it can be held against.
func (s *Service) facts(ctx context.Context, actor access.Actor, more ...sheet.Fact) ([]sheet.Fact, error) {
	head, err := s.Store.Head(ctx)
	if err != nil {
		return nil, err
	}
	return append(more,
		sheet.Fact{Name: "made_at", Label: sheet.Words{EN: "Made", JA: "作成日時"}, Value: sheet.Words{
			EN: s.Now().In(s.Zone).Format(time.RFC3339), JA: s.Now().In(s.Zone).Format("2006年1月2日 15:04 (MST)"),
		}},
		sheet.Fact{Name: "made_by", Label: sheet.Words{EN: "Made by", JA: "出力者"}, Value: sheet.Same(actor.Name)},
		sheet.Fact{Name: "ledger_size", Label: sheet.Words{EN: "Ledger entries", JA: "台帳の記録数"}, Value: sheet.Same(strconv.FormatInt(head.Size, 10))},
		sheet.Fact{Name: "ledger_root", Label: sheet.Words{EN: "Ledger root", JA: "台帳のルートハッシュ"}, Value: sheet.Same(hex.EncodeToString(head.Root[:]))},
	), nil
}

// day is a day for people, in the configured zone; empty for the zero time.
func (s *Service) day(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.In(s.Zone).Format(time.DateOnly)
}

// lastDay is the last day before an exclusive end.
func (s *Service) lastDay(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return s.day(t.Add(-time.Microsecond))
}

// label puts a word of the language before a value; nothing before nothing.
func label(lang sheet.Lang, en, ja, value string) string {
	if value == "" {
		return ""
	}
	if lang == sheet.Japanese {
		return ja + "：" + value
	}
	return en + ": " + value
}

func signatures() []sheet.Words {
	return []sheet.Words{{EN: "Prepared by", JA: "作成者"}, {EN: "Checked by", JA: "確認者"}, {EN: "Approved by", JA: "承認者"}}
}

// names gives the names of accounts, each of which is read once; an id that has
// no account stands for itself.
func (s *Service) names(ctx context.Context) func(id string) string {
	known := map[string]string{}
	return func(id string) string {
		name, ok := known[id]
		if !ok && id != "" {
			name = id
			if u, err := s.Store.User(ctx, id); err == nil {
				name = u.Name
			}
			known[id] = name
		}
		return name
	}
}
