package received

import (
	"errors"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"

	"teikyo/client/arrival"
	"teikyo/crypto"
	"teikyo/models"
)

// maxIssuerFile is what crypto.ParseIssuer takes at most, in bytes.
const maxIssuerFile = 1 << 20

// Pins are the issuers that this user trusts: one issuer file by origin, in a
// folder of the user's configuration.
type Pins struct{ Dir string }

// path keeps the origin readable. The prefix keeps it off the names that Windows
// reserves.
func (p Pins) path(origin string) string {
	return filepath.Join(p.Dir, "issuer-"+url.PathEscape(origin)+".json")
}

// Load returns the pinned file of an issuer, and whether there is one.
func (p Pins) Load(origin string) (crypto.Issuer, bool, error) {
	issuer, err := ReadIssuer(p.path(origin))
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return crypto.Issuer{}, false, nil
	case err != nil:
		return crypto.Issuer{}, false, err
	case issuer.Origin != origin:
		return crypto.Issuer{}, false, models.Errorf(models.Integrity, "the pinned issuer file %s is of another issuer; "+
			"remove it and compare the fingerprint anew", p.path(origin))
	}
	return issuer, true, nil
}

// Save pins an issuer file in place of an earlier one of the same origin.
func (p Pins) Save(issuer crypto.Issuer) error {
	text, err := issuer.JSON()
	if err != nil {
		return models.Wrap(models.Internal, err, "the issuer file cannot be written")
	}
	if err := os.MkdirAll(p.Dir, 0o700); err != nil {
		return arrival.DiskError(err, "the folder of known issuers cannot be made")
	}
	return arrival.DiskError(replace(p.path(issuer.Origin), text), "the issuer cannot be pinned")
}

// replace writes a file (0600) whole or not at all; two that do so at once do not
// mix.
func replace(name string, text []byte) error {
	f, err := os.CreateTemp(filepath.Dir(name), filepath.Base(name)+".*.tmp")
	if err != nil {
		return err
	}
	_, err = f.Write(text)
	if err == nil {
		err = f.Sync()
	}
	if closeErr := f.Close(); err == nil {
		err = closeErr
	}
	if err == nil {
		err = os.Rename(f.Name(), name)
	}
	if err != nil {
		os.Remove(f.Name())
	}
	return err
}

// ReadIssuer reads an issuer file strictly. The error is Integrity for a file
// that is no issuer file.
func ReadIssuer(file string) (crypto.Issuer, error) {
	f, err := os.Open(file)
	if err != nil {
		return crypto.Issuer{}, models.Wrap(models.Invalid, err, "the issuer file cannot be read")
	}
	defer f.Close()
	text, err := readSmall(f, maxIssuerFile)
	if err != nil {
		return crypto.Issuer{}, models.Wrap(models.Invalid, err, "the issuer file cannot be read")
	}
	return ParseIssuer(text)
}

// ParseIssuer is crypto.ParseIssuer with an error for people.
func ParseIssuer(text []byte) (crypto.Issuer, error) {
	issuer, err := crypto.ParseIssuer(text)
	if err != nil {
		return crypto.Issuer{}, integrity(err, "this is not an issuer file, or it was altered; ask the issuer for it by a way that you know")
	}
	return issuer, nil
}

// Trust decides which issuers are believed (DESIGN.md 3.24).
type Trust struct {
	Pins Pins
	// Given is the issuer file that the user named; nil when none.
	Given *crypto.Issuer
	// Ask shows an unknown issuer to the user, who compares its fingerprint; nil
	// when there is nobody to ask.
	Ask func(origin, fingerprint string) (bool, error)
}

// Accept returns the newest file that is known of the issuer that offered is
// said to be of, and pins it. What is offered counts only as a continuation of
// what is known, or when the user confirms it. Other errors than those of the
// disk are Integrity.
func (t Trust) Accept(offered crypto.Issuer) (crypto.Issuer, error) {
	pinned, known, err := t.Pins.Load(offered.Origin)
	if err != nil {
		return crypto.Issuer{}, err
	}
	best := offered
	if known {
		if best, err = newer(pinned, best); err != nil {
			return crypto.Issuer{}, err
		}
	}
	if t.Given != nil {
		if best, err = newer(*t.Given, best); err != nil {
			return crypto.Issuer{}, err
		}
	}
	if !known && t.Given == nil {
		if err := t.confirm(offered); err != nil {
			return crypto.Issuer{}, err
		}
	}
	if known && crypto.Extends(best, pinned) == nil {
		return best, nil // nothing new to keep
	}
	return best, t.Pins.Save(best)
}

// newer returns the one of two files that continues the other.
func newer(known, offered crypto.Issuer) (crypto.Issuer, error) {
	switch err := crypto.Extends(known, offered); {
	case err == nil:
		return offered, nil
	case errors.Is(err, crypto.ErrIssuerOlder):
		return known, nil
	case known.Origin != offered.Origin:
		return crypto.Issuer{}, models.Errorf(models.Integrity, "this comes from %s, but the issuer file given is of %s",
			offered.Origin, known.Origin)
	default:
		return crypto.Issuer{}, integrity(err, "the keys of "+offered.Origin+" are not those known here and no signed change leads to them "+
			"(known fingerprint "+known.Fingerprint()+", offered "+offered.Fingerprint()+"); do not use this parcel and ask the issuer by a way that you know")
	}
}

func (t Trust) confirm(issuer crypto.Issuer) error {
	yes, err := false, error(nil)
	if t.Ask != nil {
		yes, err = t.Ask(issuer.Origin, issuer.Fingerprint())
	}
	switch {
	case err != nil:
		return err
	case yes:
		return nil
	case t.Ask != nil:
		return models.Errorf(models.Integrity, "the issuer %s was not confirmed; nothing was fetched or opened", issuer.Origin)
	}
	return models.Errorf(models.Integrity, "the issuer %s is not known here (fingerprint %s); compare it with the one you were given "+
		"and name its issuer file with --issuer", issuer.Origin, issuer.Fingerprint())
}
