package config

import (
	"net"
	"net/netip"
	"net/url"
	"regexp"
	"strings"
	"time"
)

// The providers of the key-encryption key.
const (
	KEKFile       = "file"
	KEKPassphrase = "passphrase"
	KEKTransit    = "transit"
)

// KEK says where the key-encryption key is kept.
type KEK struct {
	// Provider makes new versions: file (in keys_dir), passphrase (in keys_dir,
	// sealed by a passphrase) or transit (HashiCorp Vault or OpenBao). Versions
	// of another provider work on while its settings are there. Default: file.
	Provider string `koanf:"provider"`
	// PassphraseFile holds the passphrase in its first line; credential:NAME is
	// a systemd credential. Nobody else may read it. Default: none.
	PassphraseFile string `koanf:"passphrase_file"`
	// Passphrase is for the environment alone; a file is better. Default: none.
	Passphrase Secret `koanf:"passphrase"`

	Transit Transit `koanf:"transit"`
}

// Transit is a transit secrets engine of HashiCorp Vault or OpenBao.
type Transit struct {
	// URL is the address of the server, such as https://vault.example.jp:8200.
	// Default: none.
	URL string `koanf:"url"`
	// Mount is where the engine is mounted. Default: transit.
	Mount string `koanf:"mount"`
	// Key is the name of the key there. Default: teikyo.
	Key string `koanf:"key"`
	// Namespace is that of the key. Default: none.
	Namespace string `koanf:"namespace"`
	// TokenFile holds the token in its first line; it is read again when the
	// server refuses the old one. credential:NAME is a systemd credential.
	// Default: none.
	TokenFile string `koanf:"token_file"`
	// RoleID and SecretIDFile sign in by AppRole in place of a token. Default:
	// none.
	RoleID       string `koanf:"role_id"`
	SecretIDFile string `koanf:"secret_id_file"`
	// CAFile is a PEM file of the authorities that the server's certificate may
	// come from. Default: those of the machine.
	CAFile string `koanf:"ca_file"`
	// Networks are private networks (CIDR) that the server may be in. Default:
	// none, and then its address must be a public one.
	Networks []string `koanf:"networks"`
	// Timeout is how long one request may take. Default: 5s.
	Timeout time.Duration `koanf:"timeout"`
}

func (k KEK) withDefaults() KEK {
	orDefault(&k.Provider, KEKFile)
	orDefault(&k.Transit.Mount, "transit")
	orDefault(&k.Transit.Key, "teikyo")
	orDefault(&k.Transit.Timeout, 5*time.Second)
	return k
}

// Sealed reports whether a passphrase is configured.
func (k KEK) Sealed() bool { return k.PassphraseFile != "" || k.Passphrase != "" }

func (c Config) checkKEK() error {
	switch c.KEK.Provider {
	case KEKFile:
	case KEKPassphrase:
		if !c.KEK.Sealed() {
			return wrong("kek.provider", "kek.provider passphrase needs kek.passphrase_file, or TEIKYO_KEK_PASSPHRASE in the environment")
		}
	case KEKTransit:
		if c.KEK.Transit.URL == "" {
			return wrong("kek.transit.url", "kek.provider transit needs kek.transit.url")
		}
	default:
		return wrong("kek.provider", "kek.provider must be file, passphrase or transit")
	}
	if c.KEK.PassphraseFile != "" && c.KEK.Passphrase != "" {
		return wrong("kek.passphrase", "kek.passphrase_file and kek.passphrase exclude each other; set one")
	}
	if c.KEK.Transit.URL == "" {
		return nil
	}
	return c.KEK.Transit.check()
}

var (
	transitMount = regexp.MustCompile(`^[A-Za-z0-9_-]+(/[A-Za-z0-9_-]+)*$`)
	transitKey   = regexp.MustCompile(`^[A-Za-z0-9_-]{1,64}$`)
)

func (t Transit) check() error {
	u, err := url.Parse(t.URL)
	if err != nil || u.Host == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" || strings.Trim(u.Path, "/") != "" {
		return wrong("kek.transit.url", "kek.transit.url must be like https://vault.example.jp:8200, without path")
	}
	if u.Scheme != "https" && (u.Scheme != "http" || !isLoopback(net.JoinHostPort(u.Hostname(), "80"))) {
		return wrong("kek.transit.url", "kek.transit.url must start with https://; http:// is for 127.0.0.1 alone")
	}
	if !transitMount.MatchString(t.Mount) || !transitKey.MatchString(t.Key) {
		return wrong("kek.transit.key", "kek.transit.mount and kek.transit.key are names of letters, digits, - and _")
	}
	switch token, role := t.TokenFile != "", t.RoleID != "" && t.SecretIDFile != ""; {
	case token && (t.RoleID != "" || t.SecretIDFile != ""), !token && !role:
		return wrong("kek.transit.token_file", "set kek.transit.token_file, or kek.transit.role_id and kek.transit.secret_id_file")
	}
	if t.Timeout <= 0 || t.Timeout > time.Minute {
		return wrong("kek.transit.timeout", "kek.transit.timeout must be more than zero and at most 1m")
	}
	_, err = t.Prefixes()
	return err
}

// Prefixes are the networks of Networks.
func (t Transit) Prefixes() ([]netip.Prefix, error) {
	var prefixes []netip.Prefix
	for _, text := range t.Networks {
		prefix, err := netip.ParsePrefix(strings.TrimSpace(text))
		if err != nil || prefix.Masked() != prefix {
			return nil, wrong("kek.transit.networks", "kek.transit.networks: %q is no network like 10.1.2.0/24", text)
		}
		prefixes = append(prefixes, prefix)
	}
	return prefixes, nil
}
