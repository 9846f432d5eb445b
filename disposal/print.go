package disposal

import (
	"bytes"
	"context"
	_ "embed" // the printed form
	"encoding/json"
	"fmt"
	"html/template"
	"strconv"
	"strings"
	"time"

	"teikyo/access"
	"teikyo/models"
)

//go:embed certificate.html
var certificateHTML string

// words of the printed certificate, by language.
var words = map[string]map[string]string{
	"en": {
		"title": "Certificate of destruction", "statement": "We certify that the following was destroyed and cannot be restored from our systems.",
		"organisation": "Organisation", "number": "Number of the disposal", "kind": "Kind", "reason": "Reason",
		"proposed": "Proposed by", "confirmed": "Confirmed by (second person)", "independence": "Independence of the two people",
		"finished": "Finished", "method": "Method", "no": "No.", "item": "What", "result": "Result",
		"how":     "File keys were destroyed (cryptographic erasure), stored contents deleted, and deleted rows wiped from the database's files.",
		"destroy": "Destruction of a dataset version", "redact": "Redaction of a ledger entry", "yearly": "Yearly disposal",
		"version": "Dataset version", "entry": "Details of a ledger entry", "provision": "Record of a provision", "application": "Personal data of an organisation's file",
		"shown": "shown", "notshown": "not shown (fewer than three administrators)",
		"files": "%d files, %d bytes", "sealed": "%d sealed files destroyed, %d bytes", "kept": "%d sealed files kept: another version has them, too",
		"list": "SHA-256 of their list: %s", "headers": "headers of %d provisions destroyed", "redacted": "%d ledger entries redacted",
		"details": "digest of the details: %s", "before": "gone before", "held": "held back: %s",
		"proof":  "The certificate is signed, and its digest stands in the ledger: teikyo disposal certificate gives the signature and the receipt.",
		"sha256": "SHA-256 of the certificate (JSON)", "entry-index": "Ledger entry", "sign1": "Carried out by (date, name, signature)", "sign2": "Confirmed by (date, name, signature)",
	},
	"ja": {
		"title": "廃棄証明書", "statement": "下記のとおり廃棄し、当方のシステムから復元できないことを証明します。",
		"organisation": "事業者", "number": "廃棄番号", "kind": "区分", "reason": "廃棄の理由",
		"proposed": "廃棄の申請者", "confirmed": "承認者（第二の者）", "independence": "両名の独立性",
		"finished": "廃棄完了日", "method": "廃棄の方法", "no": "番号", "item": "廃棄の対象", "result": "結果",
		"how":     "ファイル鍵の破棄（暗号化消去）、保存されたデータの削除、およびデータベースファイル上の削除済み記録の消去",
		"destroy": "データセット版の廃棄", "redact": "台帳記載事項の消去", "yearly": "年次廃棄",
		"version": "データセット版", "entry": "台帳の記載事項の詳細", "provision": "提供記録", "application": "申請者・提供先に関する個人情報",
		"shown": "確認済み", "notshown": "未確認（管理者が三名に満たないため）",
		"files": "ファイル %d 件、%d バイト", "sealed": "暗号化ファイル %d 件を廃棄、%d バイト", "kept": "暗号化ファイル %d 件は他の版が使用するため保持",
		"list": "一覧の SHA-256：%s", "headers": "提供 %d 件のヘッダーを廃棄", "redacted": "台帳の記載事項 %d 件を消去",
		"details": "詳細のダイジェスト：%s", "before": "既に消去済み", "held": "廃棄を保留：%s",
		"proof":  "本証明書には電子署名があり、そのダイジェストは台帳に記録されています。署名と台帳の受領証は teikyo disposal certificate で取得できます。",
		"sha256": "証明書（JSON）の SHA-256", "entry-index": "台帳の番号", "sign1": "廃棄実施者（日付・氏名・署名または印）", "sign2": "確認者（日付・氏名・署名または印）",
	},
}

// printed is what the printed form shows.
type printed struct {
	Proof
	Lang                     string
	Proposer, Confirmer      string
	KindKey, IndependenceKey string
	Rows                     []printedRow
	zone                     *time.Location
}

type printedRow struct {
	Number   int
	Key, Ref string
	Lines    []string
}

// T is a word of the form.
func (p printed) T(key string) string { return words[p.Lang][key] }

// Day is a day as people of the organisation count it.
func (p printed) Day(t time.Time) string { return t.In(p.zone).Format("2006-01-02 15:04 MST") }

// Print gives the certificate as HTML that is ready to be printed and signed, in
// English (en) or Japanese (ja).
func (s *Service) Print(ctx context.Context, actor access.Actor, id, lang string) ([]byte, error) {
	proof, err := s.CertificateOf(ctx, actor, id)
	if err != nil {
		return nil, err
	}
	if words[lang] == nil {
		return nil, models.Errorf(models.Invalid, "there is no certificate in %q; choose en or ja", lang)
	}
	p := printed{
		Proof: proof, Lang: lang, zone: s.zone(), KindKey: string(proof.Kind), IndependenceKey: "notshown",
		Proposer: s.nameOf(ctx, proof.ProposedBy), Confirmer: s.nameOf(ctx, proof.ConfirmedBy),
	}
	if proof.Independence == models.IndependenceShown {
		p.IndependenceKey = "shown"
	}
	for _, item := range proof.Items {
		p.Rows = append(p.Rows, p.row(item))
	}
	form, err := template.New("certificate").Parse(certificateHTML)
	if err != nil {
		return nil, models.Wrap(models.Internal, err, "the certificate cannot be printed")
	}
	var out bytes.Buffer
	if err := form.Execute(&out, p); err != nil {
		return nil, models.Wrap(models.Internal, err, "the certificate cannot be printed")
	}
	return out.Bytes(), nil
}

// nameOf is the name behind an account, with its id.
func (s *Service) nameOf(ctx context.Context, id string) string {
	user, err := s.Store.User(ctx, id)
	if err != nil || user.Name == "" {
		return id
	}
	return user.Name + " (" + id + ")"
}

// results of every kind of thing; absent fields are zero.
type results struct {
	destroyedVersion
	redactedEntry
	Entries int `json:"entries_redacted"`
}

func (p printed) row(item CertifiedItem) printedRow {
	kind, ref, _ := strings.Cut(item.Item, ":")
	row := printedRow{Number: item.Number, Key: kind, Ref: ref}
	say := func(key string, args ...any) { row.Lines = append(row.Lines, fmt.Sprintf(p.T(key), args...)) }
	if item.Held != "" {
		say("held", item.Held)
		return row
	}
	var r results
	if json.Unmarshal(item.Result, &r) != nil {
		row.Lines = append(row.Lines, strconv.Quote(string(item.Result)))
		return row
	}
	switch models.DisposalItemKind(kind) {
	case models.ItemVersion:
		say("files", r.Files, r.Bytes)
		say("sealed", r.Sealed, r.SealedBytes)
		say("list", r.ListSHA256)
		say("headers", r.Provisions)
		if r.Kept > 0 {
			say("kept", r.Kept)
		}
	case models.ItemEntry:
		if r.Before {
			say("before")
			break
		}
		say("details", r.DetailsSHA256)
	default:
		say("redacted", r.Entries)
	}
	return row
}
