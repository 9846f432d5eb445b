package models

import "slices"

// DataClass is the legal class of a dataset (DOMAIN: APPI Art. 2(5), 2(6);
// 45 CFR 164.514; LGPD Art. 12). Every gate keys on it.
type DataClass string

// The data classes.
const (
	Anonymized       DataClass = "anonymized"          // 匿名加工情報, APPI Art. 43
	Pseudonymized    DataClass = "pseudonymized"       // 仮名加工情報, APPI Art. 41
	USDeidentified   DataClass = "us-deidentified"     // 45 CFR 164.514(a)-(c)
	USLimitedDataSet DataClass = "us-limited-data-set" // 45 CFR 164.514(e)
	BRAnonymized     DataClass = "br-anonymized"       // LGPD Art. 12
	Personal         DataClass = "personal"            // 個人データ, personal data
	Test             DataClass = "test"                // rehearsal without legal effect
)

// Basis is the legal ground on which data goes to somebody.
type Basis string

// The bases of provision.
const (
	ThirdParty  Basis = "third_party" // 第三者提供
	Law         Basis = "law"         // 法令に基づく場合
	Entrustment Basis = "entrustment" // 委託
	Succession  Basis = "succession"  // 事業の承継
	JointUse    Basis = "joint_use"   // 共同利用
	Consent     Basis = "consent"     // 本人の同意
)

// Item is a published category of information.
type Item string

// The items that datasets are made of.
const (
	ClaimsMedical  Item = "claims.medical"
	ClaimsCare     Item = "claims.care"
	ClaimsDPC      Item = "claims.dpc"
	Demographics   Item = "demographics"
	Care           Item = "care"
	Checkups       Item = "checkups"
	Tests          Item = "tests"
	History        Item = "history"
	Questionnaires Item = "questionnaires"
	OtherItem      Item = "other"
)

// Purpose is the local code of what the recipient wants to do.
type Purpose string

// The purposes.
const (
	ProductDevelopment Purpose = "product-development"
	Statistics         Purpose = "statistics"
	Research           Purpose = "research"
	PublicHealth       Purpose = "public-health"
	OtherPurpose       Purpose = "other"
)

// Method is the way in which a parcel travels.
type Method string

// The four methods of provision.
const (
	Download Method = "download"
	Upload   Method = "upload"
	Email    Method = "email"
	Media    Method = "media"
)

// DataClasses lists every class, in the order in which people read them.
func DataClasses() []DataClass {
	return []DataClass{Anonymized, Pseudonymized, USDeidentified, USLimitedDataSet, BRAnonymized, Personal, Test}
}

// Bases lists every basis.
func Bases() []Basis {
	return []Basis{ThirdParty, Law, Entrustment, Succession, JointUse, Consent}
}

// Items lists every item.
func Items() []Item {
	return []Item{
		ClaimsMedical, ClaimsCare, ClaimsDPC, Demographics, Care, Checkups, Tests, History, Questionnaires, OtherItem,
	}
}

// Purposes lists every purpose.
func Purposes() []Purpose {
	return []Purpose{ProductDevelopment, Statistics, Research, PublicHealth, OtherPurpose}
}

// Methods lists every method.
func Methods() []Method { return []Method{Download, Upload, Email, Media} }

// CheckCode returns an Invalid error that names the allowed words when code is
// none of them. what is the noun in the message, for example "data class".
func CheckCode[T ~string](what string, code T, allowed []T) error {
	if slices.Contains(allowed, code) {
		return nil
	}
	return Errorf(Invalid, "unknown %s %q; use one of %s", what, string(code), JoinCodes(allowed))
}

// CheckCodes checks a list that must hold at least one code and none twice.
func CheckCodes[T ~string](what string, codes, allowed []T) error {
	if len(codes) == 0 {
		return Errorf(Invalid, "no %s given; use one of %s", what, JoinCodes(allowed))
	}
	for i, code := range codes {
		if err := CheckCode(what, code, allowed); err != nil {
			return err
		}
		if slices.Contains(codes[:i], code) {
			return Errorf(Invalid, "%s %q is given twice", what, string(code))
		}
	}
	return nil
}

// JoinCodes writes codes as a list for people: "a, b, c".
func JoinCodes[T ~string](codes []T) string {
	text := ""
	for i, code := range codes {
		if i > 0 {
			text += ", "
		}
		text += string(code)
	}
	return text
}
