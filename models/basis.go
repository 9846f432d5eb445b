package models

// CheckBasis refuses a data class on a basis that the law does not allow for
// it, naming the article (DESIGN decision 16; APPI Art. 27, 41(6), 42(1),
// 43(4); 45 CFR 164.514(e); LGPD Art. 12). It returns nil for an allowed pair.
func CheckBasis(class DataClass, basis Basis) error {
	if err := CheckCode("data class", class, DataClasses()); err != nil {
		return err
	}
	if err := CheckCode("basis", basis, Bases()); err != nil {
		return err
	}
	if reason := refusedBasis(class, basis); reason != "" {
		return Errorf(Invalid, "%s data cannot be provided on the basis %s: %s", class, basis, reason)
	}
	return nil
}

// DefaultBasis is the basis that a request has when nobody says one; empty
// where a person must choose.
func DefaultBasis(class DataClass) Basis {
	if refusedBasis(class, ThirdParty) == "" {
		return ThirdParty
	}
	return ""
}

func refusedBasis(class DataClass, basis Basis) string {
	switch class {
	case Pseudonymized:
		return refusedPseudonymized(basis)
	case Personal:
		if basis == ThirdParty {
			return "APPI Art. 27(1) asks for the person's consent or another ground; use consent, law, " +
				"entrustment, succession or joint_use"
		}
	case Anonymized, BRAnonymized, USDeidentified:
		if basis == Consent {
			return "this class is provided to a third party without consent (APPI Art. 43(4), 45 CFR 164.514(a), " +
				"LGPD Art. 12); use third_party"
		}
	case USLimitedDataSet:
		if basis == Consent || basis == Succession {
			return "45 CFR 164.514(e) allows a limited data set only under a data use agreement; use third_party"
		}
	case Test:
	}
	return ""
}

func refusedPseudonymized(basis Basis) string {
	switch basis {
	case ThirdParty:
		return "APPI Art. 41(6) and 42(1) forbid giving pseudonymously processed information (仮名加工情報) to a " +
			"third party; use law, entrustment, succession or joint_use"
	case Consent:
		return "APPI Art. 41(6) and 42(1) forbid it even with the person's prior consent; release it as personal " +
			"data or use law, entrustment, succession or joint_use"
	default:
		return ""
	}
}

// CheckPurpose refuses a purpose that the class does not allow.
// 45 CFR 164.514(e)(3): a limited data set serves research, public health and
// health care operations only.
func CheckPurpose(class DataClass, purpose Purpose) error {
	if err := CheckCode("purpose", purpose, Purposes()); err != nil {
		return err
	}
	if class == USLimitedDataSet && purpose != Research && purpose != PublicHealth {
		return Errorf(Invalid, "a limited data set cannot be provided for %s: 45 CFR 164.514(e)(3) allows research, "+
			"public health and health care operations only", purpose)
	}
	return nil
}
