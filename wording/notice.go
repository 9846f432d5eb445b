package wording

import (
	"errors"
	"fmt"
)

const (
	noticeFile = "notice.txt"
	publicFile = "public.txt"
	testClass  = "test"
)

// NoticeData fills NOTICE.txt of a parcel. Codes are those of package models;
// dates are written as people gave them. All fields but Terms, Basis and Contact
// are required.
type NoticeData struct {
	Class        string   // data class
	Title        string   // of the dataset
	Version      int      // of the dataset, from 1
	Items        []string // codes of the categories of information
	Purpose      string   // code
	PurposeWords string   // the recipient's own words
	Method       string   // code
	Basis        string   // code
	Recipient    string   // organisation
	Until        string   // last day of use, such as 2027-03-31
	Number       string   // running number of the provision, such as 2026-0042
	Issued       string   // day of issue
	Issuer       string   // organisation
	Contact      string   // of the issuer
	Terms        string   // lines of text
}

// noticeView is what the template sees: names and cleaned values only.
type noticeView struct {
	NoticeData
	Statement string
	Rehearsal bool // the class is test, which is marked everywhere
}

// Notice returns NOTICE.txt: what class of information the parcel is, in words,
// what was provided and on which terms; English, then Japanese. Missing values
// and unknown codes give ErrData.
func (t *Texts) Notice(data NoticeData) (string, error) {
	data.Terms = indented(data.Terms)
	if err := data.clean(); err != nil {
		return "", err
	}
	return t.renderAll(noticeFile, func(lang string) any {
		view := noticeView{data, t.ClassStatement(data.Class, lang), data.Class == testClass}
		view.Class = t.Class(data.Class, lang)
		view.Items = t.each(kindItem, data.Items, lang)
		view.Purpose = t.Purpose(data.Purpose, lang)
		view.Method = t.Method(data.Method, lang)
		view.Basis = t.Basis(data.Basis, lang)
		return view
	})
}

// clean checks the codes and makes one visible line of every value.
func (d *NoticeData) clean() error {
	errs := []error{
		checkCode(kindClass, d.Class), checkCodes(kindItem, d.Items),
		checkCode(kindPurpose, d.Purpose), checkCode(kindMethod, d.Method),
	}
	if d.Basis != "" {
		errs = append(errs, checkCode(kindBasis, d.Basis))
	}
	if d.Version < 1 {
		errs = append(errs, fmt.Errorf("%w: version %d", ErrData, d.Version))
	}
	for _, field := range []struct {
		name  string
		value *string
	}{
		{"title", &d.Title}, {"purpose in words", &d.PurposeWords}, {"recipient", &d.Recipient}, {"end", &d.Until},
		{"number", &d.Number}, {"day of issue", &d.Issued}, {"issuer", &d.Issuer},
	} {
		var err error
		*field.value, err = required(field.name, *field.value)
		errs = append(errs, err)
	}
	d.Contact = oneLine(d.Contact)
	return errors.Join(errs...)
}

// PublicNoticeData fills the public notice. All fields but Contact are required.
type PublicNoticeData struct {
	Class     string   // data class
	Items     []string // codes
	Methods   []string // codes
	Issuer    string   // organisation
	Contact   string   // for questions and complaints
	Published string   // day
}

type publicView struct {
	PublicNoticeData
	Code      string // of the data class
	Rehearsal bool
}

// PublicNotice returns the public statement of items and methods (APPI Art.
// 43(3) and (4)) in one language, English when it is unknown. Missing values and
// unknown codes give ErrData.
func (t *Texts) PublicNotice(data PublicNoticeData, lang string) (string, error) {
	if t.languages[lang] == nil {
		lang = English
	}
	issuer, err1 := required("issuer", data.Issuer)
	published, err2 := required("day of publication", data.Published)
	if err := errors.Join(checkCode(kindClass, data.Class), checkCodes(kindItem, data.Items),
		checkCodes(kindMethod, data.Methods), err1, err2); err != nil {
		return "", err
	}
	view := publicView{Code: data.Class, Rehearsal: data.Class == testClass, PublicNoticeData: PublicNoticeData{
		Class: t.Class(data.Class, lang), Items: t.each(kindItem, data.Items, lang),
		Methods: t.each(kindMethod, data.Methods, lang), Issuer: issuer, Published: published, Contact: oneLine(data.Contact),
	}}
	return t.render(lang, publicFile, view)
}
