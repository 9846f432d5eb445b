package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"os"
	"time"

	"teikyo/config"
	"teikyo/crypto"
	"teikyo/crypto/transit"
	"teikyo/egress"
)

// openKeyring opens every provider of the key-encryption key that is configured.
// The one that the settings name makes new versions; key files that are there
// open what was wrapped before.
func openKeyring(cfg config.Config, dir string, sys system) (*crypto.Keyring, error) {
	files, err := crypto.OpenKEKFolder(dir, sys.rand)
	if err != nil {
		return nil, err
	}
	providers := map[string]crypto.KEKProvider{config.KEKFile: files}
	if cfg.KEK.Sealed() {
		passphrase, err := passphraseOf(cfg.KEK)
		if err != nil {
			return nil, err
		}
		if providers[config.KEKPassphrase], err = crypto.OpenSealedKEKFolder(dir, passphrase, crypto.ScryptWork, sys.rand); err != nil {
			return nil, err
		}
	}
	if cfg.KEK.Transit.URL != "" {
		if providers[config.KEKTransit], err = openTransit(cfg.KEK.Transit, sys); err != nil {
			return nil, err
		}
	}
	maker := providers[cfg.KEK.Provider]
	var others []crypto.KEKProvider
	for _, name := range []string{config.KEKFile, config.KEKPassphrase, config.KEKTransit} {
		if p, ok := providers[name]; ok && name != cfg.KEK.Provider {
			others = append(others, p)
		}
	}
	return crypto.NewKeyring(maker, others...), nil
}

func passphraseOf(kek config.KEK) (string, error) {
	if kek.Passphrase != "" {
		return kek.Passphrase.Reveal(), nil
	}
	passphrase, err := crypto.ReadSecretFile(kek.PassphraseFile)
	if err != nil {
		return "", fmt.Errorf("kek.passphrase_file: %w", err)
	}
	return passphrase, nil
}

// openTransit makes the provider; it connects when it is first used.
func openTransit(cfg config.Transit, sys system) (*transit.Provider, error) {
	networks, err := cfg.Prefixes()
	if err != nil {
		return nil, err
	}
	guard := egress.Guard{AllowPrivate: networks, Timeout: cfg.Timeout}
	if err := guard.Validate(); err != nil {
		return nil, fmt.Errorf("kek.transit.networks: %w", err)
	}
	trust := &tls.Config{}
	if cfg.CAFile != "" {
		text, err := os.ReadFile(cfg.CAFile)
		if err != nil {
			return nil, fmt.Errorf("kek.transit.ca_file: %w", err)
		}
		if trust.RootCAs = x509.NewCertPool(); !trust.RootCAs.AppendCertsFromPEM(text) {
			return nil, fmt.Errorf("kek.transit.ca_file: %s holds no certificate", cfg.CAFile)
		}
	}
	secret := func(path string) func() (string, error) {
		return func() (string, error) { return crypto.ReadSecretFile(path) }
	}
	return transit.New(transit.Config{
		URL: cfg.URL, Mount: cfg.Mount, Key: cfg.Key, Namespace: cfg.Namespace, Token: secret(cfg.TokenFile),
		RoleID: cfg.RoleID, SecretID: secret(cfg.SecretIDFile), HTTP: guard.HTTPClient(trust), Timeout: cfg.Timeout,
		Now: sys.clock.Now, Rand: sys.rand,
	}), nil
}

// kek looks at the provider of the key-encryption key. With a transit engine
// something small goes there and back.
func (d *doctor) kek(ctx context.Context, sys system) {
	if _, err := os.Stat(d.keysDir()); err != nil {
		d.note("kek", doctorOK, "there are no keys yet; the first start makes them")
		return
	}
	ring, err := openKeyring(d.cfg, d.keysDir(), sys)
	if err == nil {
		limited, cancel := context.WithTimeout(ctx, 15*time.Second)
		defer cancel()
		err = ring.Ping(limited)
	}
	switch {
	case err != nil:
		d.note("kek", doctorProblem, "the provider %s of the key-encryption key: %v", d.cfg.KEK.Provider, err)
	case d.cfg.KEK.Provider == config.KEKFile:
		d.note("kek", doctorOK, "key-encryption keys are plain files; kek.provider passphrase or transit protects a stolen disk of keys")
	default:
		d.note("kek", doctorOK, "the provider %s answers", d.cfg.KEK.Provider)
	}
}

// checkKEKFiles reads the files that the settings about keys name.
func checkKEKFiles(kek config.KEK, sys system) error {
	if kek.PassphraseFile != "" {
		if _, err := passphraseOf(kek); err != nil {
			return err
		}
	}
	if kek.Transit.URL == "" {
		return nil
	}
	if _, err := openTransit(kek.Transit, sys); err != nil {
		return err
	}
	path := kek.Transit.TokenFile
	if path == "" {
		path = kek.Transit.SecretIDFile
	}
	if _, err := crypto.ReadSecretFile(path); err != nil {
		return fmt.Errorf("kek.transit: %w", err)
	}
	return nil
}
