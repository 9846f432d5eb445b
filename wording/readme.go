package wording

import (
	"errors"
	"fmt"
	"regexp"
)

const readmeFile = "readme.txt"

// ReadmeData fills README.txt of a parcel. All fields are required. Origin,
// Number and AllowedSigners become part of commands, so that only what means
// nothing to any shell is taken.
type ReadmeData struct {
	Class             string   // data class
	Origin            string   // the issuer's, such as hospital.example
	IssuerFingerprint string   // of the issuer file
	AllowedSigners    []string // the issuer's manifest keys, OpenSSH allowed_signers lines
	KeyFingerprint    string   // of the recipient's key
	Number            string   // running number of the provision, such as 2026-0042
}

type readmeView struct {
	ReadmeData
	Folder    string // under the home folder, where the commands write
	Rehearsal bool   // the class is test, which is marked everywhere
}

// What may stand in a command, in sh, cmd and PowerShell alike.
var (
	originForm = regexp.MustCompile(`\A[a-z0-9](?:[a-z0-9./-]*[a-z0-9])?\z`)
	numberForm = regexp.MustCompile(`\A[A-Za-z0-9](?:[A-Za-z0-9-]{0,62}[A-Za-z0-9])?\z`)
	// A principal, options without spaces, a key; no comment.
	signerForm = regexp.MustCompile(`\A([a-z0-9./-]+)(?: [a-z-]+="[A-Za-z0-9,-]*"(?:,[a-z-]+="[A-Za-z0-9,-]*")*)? [a-z0-9@.-]+ [A-Za-z0-9+/]+={0,2}\z`)
)

// Readme returns README.txt: how to verify and open the parcel with teikyo, or
// with age, ssh-keygen and digest tools on Linux, macOS and Windows; English,
// then Japanese. Lines that begin with four spaces and stand under a heading A,
// B or C are commands. Unusable values give ErrData.
func (t *Texts) Readme(data ReadmeData) (string, error) {
	var err1, err2 error
	data.IssuerFingerprint, err1 = required("fingerprint of the issuer", data.IssuerFingerprint)
	data.KeyFingerprint, err2 = required("fingerprint of the key", data.KeyFingerprint)
	if err := errors.Join(checkCode(kindClass, data.Class), err1, err2, data.check()); err != nil {
		return "", err
	}
	return t.renderAll(readmeFile, func(string) any { return readmeView{data, "teikyo-" + data.Number, data.Class == testClass} })
}

// check refuses what must not stand in a command.
func (d ReadmeData) check() error {
	if len(d.Origin) > 100 || !originForm.MatchString(d.Origin) {
		return fmt.Errorf("%w: origin %q", ErrData, d.Origin)
	}
	if !numberForm.MatchString(d.Number) {
		return fmt.Errorf("%w: number %q", ErrData, d.Number)
	}
	if len(d.AllowedSigners) == 0 {
		return fmt.Errorf("%w: no key of the issuer", ErrData)
	}
	for _, line := range d.AllowedSigners {
		parts := signerForm.FindStringSubmatch(line)
		if parts == nil || parts[1] != d.Origin {
			return fmt.Errorf("%w: allowed_signers line %q of %s", ErrData, line, d.Origin)
		}
	}
	return nil
}
