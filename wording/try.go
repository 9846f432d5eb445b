package wording

import (
	"fmt"
	"strings"
)

// tryAll renders every text once with values of its own.
func (t *Texts) tryAll() error {
	for _, class := range codes[kindClass] {
		if err := t.tryNotice(class); err != nil {
			return fmt.Errorf("%s for class %s: %w", noticeFile, class, err)
		}
	}
	_, err := t.Readme(ReadmeData{
		Class: testClass, Origin: "issuer.example", Number: "2026-0001", IssuerFingerprint: "SHA256:x", KeyFingerprint: "SHA256:y",
		AllowedSigners: []string{`issuer.example namespaces="teikyo-manifest" ssh-ed25519 AAAA`},
	})
	return err
}

// tryNotice makes the notices of a class. Whatever an operator writes, the
// recipient must be told what class of information it is (APPI Art. 43(4)), and
// the public which items and methods.
func (t *Texts) tryNotice(class string) error {
	notice, err := t.Notice(NoticeData{
		Class: class, Title: "t", Version: 1, Items: codes[kindItem], Purpose: "research", PurposeWords: "w", Method: "media",
		Basis: "law", Recipient: "r", Until: "2027-03-31", Number: "2026-0001", Issued: "2026-04-01", Issuer: "i", Terms: "x",
	})
	if err != nil {
		return err
	}
	for _, lang := range Languages() {
		if !strings.Contains(notice, t.ClassStatement(class, lang)) {
			return fmt.Errorf("%s/%s leaves out {{.Statement}}", lang, noticeFile)
		}
		if err := t.tryPublic(class, lang); err != nil {
			return err
		}
	}
	return nil
}

func (t *Texts) tryPublic(class, lang string) error {
	public, err := t.PublicNotice(PublicNoticeData{
		Class: class, Items: codes[kindItem], Methods: codes[kindMethod], Issuer: "i", Published: "2026-04-01",
	}, lang)
	if err != nil {
		return err
	}
	for _, name := range append(t.each(kindItem, codes[kindItem], lang), t.each(kindMethod, codes[kindMethod], lang)...) {
		if !strings.Contains(public, name) {
			return fmt.Errorf("%s/%s leaves out items or methods", lang, publicFile)
		}
	}
	return nil
}
