package config

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// wrongSetting is a setting that cannot be what it is.
type wrongSetting struct {
	name string
	msg  string
}

func (e *wrongSetting) Error() string { return e.msg }

func wrong(name, format string, args ...any) error {
	return &wrongSetting{name, fmt.Sprintf(format, args...)}
}

// Check says what is wrong with the settings in themselves; files are looked at
// when they are used. Errors say what to write instead.
func (c Config) Check() error {
	for _, check := range []func() error{
		c.checkListen, c.checkPublicURL, c.checkProxies, c.checkEgress, c.checkSyslog, c.checkTimes, c.checkKEK, c.checkRest,
		c.checkStores,
	} {
		if err := check(); err != nil {
			return err
		}
	}
	return nil
}

func (c Config) checkListen() error {
	if err := checkAddress("listen", c.Listen); err != nil {
		return err
	}
	if (c.TLSCert == "") != (c.TLSKey == "") {
		return wrong("tls_cert", "tls_cert and tls_key belong together; set both or none")
	}
	if !isLoopback(c.Listen) && c.TLSCert == "" && !c.TLSProxy {
		return wrong("listen", "listening on %s reaches beyond this machine without TLS: set tls_cert and tls_key, "+
			"or tls_proxy: true when a proxy in front speaks TLS, or listen on 127.0.0.1", c.Listen)
	}
	if c.AdminListen == "" {
		return nil
	}
	return checkAddress("admin_listen", c.AdminListen)
}

func checkAddress(name, address string) error {
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return wrong(name, "%s must be HOST:PORT, such as 127.0.0.1:8080", name)
	}
	if n, err := strconv.ParseUint(port, 10, 16); err != nil || strconv.FormatUint(n, 10) != port {
		return wrong(name, "the port in %s must be a number from 0 to 65535", name)
	}
	if strings.ContainsAny(host, "/ ") {
		return wrong(name, "%s must be HOST:PORT, without http:// and path", name)
	}
	return nil
}

// isLoopback reports whether only this machine can reach the address. A name
// other than localhost can be anything.
func isLoopback(address string) bool {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return false
	}
	if host == "localhost" {
		return true
	}
	ip, err := netip.ParseAddr(host)
	return err == nil && ip.Unmap().IsLoopback()
}

// AdminIsPublic reports whether the admin listener can be reached from other
// machines.
func (c Config) AdminIsPublic() bool { return c.AdminListen != "" && !isLoopback(c.AdminListen) }

func (c Config) checkPublicURL() error {
	if c.PublicURL == "" {
		return nil
	}
	u, err := url.Parse(c.PublicURL)
	if err != nil || u.Host == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" || strings.TrimRight(u.Path, "/") != "" {
		return wrong("public_url", "public_url must be like https://data.example.jp, without path")
	}
	switch {
	case u.Scheme == "https":
		return nil
	case u.Scheme == "http" && isLoopback(net.JoinHostPort(u.Hostname(), "80")):
		return nil
	default:
		return wrong("public_url", "public_url must start with https://; http:// is for 127.0.0.1 alone")
	}
}

// ProxyPrefixes are the networks of TrustedProxies.
func (c Config) ProxyPrefixes() ([]netip.Prefix, error) {
	var prefixes []netip.Prefix
	for _, text := range c.TrustedProxies {
		text = strings.TrimSpace(text)
		if addr, err := netip.ParseAddr(text); err == nil {
			prefixes = append(prefixes, netip.PrefixFrom(addr, addr.BitLen()))
			continue
		}
		prefix, err := netip.ParsePrefix(text)
		if err != nil {
			return nil, wrong("trusted_proxies", "trusted_proxies: %q is no address or network like 10.0.0.0/8", text)
		}
		if prefix.Bits() == 0 {
			return nil, wrong("trusted_proxies", "trusted_proxies: %s is everybody; name the proxy", text)
		}
		prefixes = append(prefixes, prefix)
	}
	return prefixes, nil
}

// PrivateTargets are the networks of Egress.AllowPrivate.
func (c Config) PrivateTargets() ([]netip.Prefix, error) {
	var prefixes []netip.Prefix
	for _, text := range c.Egress.AllowPrivate {
		prefix, err := netip.ParsePrefix(strings.TrimSpace(text))
		if err != nil || prefix.Masked() != prefix {
			return nil, wrong("egress.allow_private", "egress.allow_private: %q is no network like 10.1.2.0/24", text)
		}
		prefixes = append(prefixes, prefix)
	}
	return prefixes, nil
}

// SyslogAddress is HOST:PORT of Syslog.URL; empty without one. 6514 is the port of
// RFC 5425.
func (c Config) SyslogAddress() (string, error) {
	if c.Syslog.URL == "" {
		return "", nil
	}
	u, err := url.Parse(c.Syslog.URL)
	if err != nil || u.Scheme != "tls" || u.Hostname() == "" || u.User != nil || u.RawQuery != "" || strings.Trim(u.Path, "/") != "" {
		return "", wrong("syslog.url", "syslog.url must be like tls://siem.example.jp:6514; there is no way without TLS")
	}
	port := u.Port()
	if port == "" {
		port = "6514"
	}
	return net.JoinHostPort(u.Hostname(), port), nil
}

func (c Config) checkSyslog() error {
	if (c.Syslog.CertFile == "") != (c.Syslog.KeyFile == "") {
		return wrong("syslog.cert_file", "syslog.cert_file and syslog.key_file belong together; set both or none")
	}
	_, err := c.SyslogAddress()
	return err
}

func (c Config) checkEgress() error {
	_, err := c.PrivateTargets()
	return err
}

func (c Config) checkProxies() error {
	_, err := c.ProxyPrefixes()
	return err
}

// Zone is the time zone of TimeZone.
func (c Config) Zone() (*time.Location, error) {
	if c.TimeZone == "" {
		return time.Local, nil
	}
	zone, err := time.LoadLocation(c.TimeZone)
	if err != nil {
		return nil, wrong("time_zone", "time_zone: %q is not known; it is a name like Asia/Tokyo", c.TimeZone)
	}
	return zone, nil
}

func (c Config) checkTimes() error {
	if _, err := c.Zone(); err != nil {
		return err
	}
	if c.FiscalYearStart < 1 || c.FiscalYearStart > 12 {
		return wrong("fiscal_year_start", "fiscal_year_start must be a month from 1 to 12")
	}
	if c.DrainTimeout < 0 {
		return wrong("drain_timeout", "drain_timeout must not be negative")
	}
	if c.DrainDelay < 0 || c.DrainDelay > 5*time.Minute {
		return wrong("drain_delay", "drain_delay must be from 0s to 5m")
	}
	if c.Links.TTL <= 0 || c.Links.MaxTTL < c.Links.TTL {
		return wrong("links.ttl", "links.ttl must be more than zero and at most links.max_ttl")
	}
	return nil
}

// checkStores refuses what would put keys of a store where settings are shown;
// the rest of a URL is looked at by who uses it. Messages do not repeat it.
func (c Config) checkStores() error {
	if c.CheckpointsURL != "" && c.CheckpointsDir != "" {
		return wrong("checkpoints_url", "checkpoints_url and checkpoints_dir are two second places; set one")
	}
	if c.CheckpointsURL != "" {
		if err := checkBucketURL("checkpoints_url", c.CheckpointsURL); err != nil {
			return err
		}
	}
	if path, ok := strings.CutPrefix(c.Storage.URL, "folder:"); c.Storage.URL == "" || ok && path != "" {
		return nil
	}
	return checkBucketURL("storage.url", c.Storage.URL)
}

// storeOptions are what may follow the ? of the URL of a bucket.
var storeOptions = []string{"endpoint", "region", "path_style", "ca_file", "credentials", "profile"}

func checkBucketURL(name, text string) error {
	u, err := url.Parse(text)
	if err != nil || u.Scheme != "s3" || u.Host == "" {
		return wrong(name, "%s must be like s3://BUCKET/PREFIX?endpoint=https://HOST&region=REGION (storage.url may be folder:PATH, too)", name)
	}
	if u.User != nil {
		return wrong(name, "%s must not hold access keys: write credentials=file:PATH, environment or instance after the ?", name)
	}
	for option := range u.Query() {
		if !slices.Contains(storeOptions, option) {
			return wrong(name, "after the ? of %s there may be %s", name, strings.Join(storeOptions, ", "))
		}
	}
	return nil
}

// LogLevel is the level of Log.Level.
func (c Config) LogLevel() (slog.Level, error) {
	var level slog.Level
	if err := level.UnmarshalText([]byte(c.Log.Level)); err != nil || strings.ContainsAny(c.Log.Level, "+-") {
		return 0, wrong("log.level", "log.level must be debug, info, warn or error")
	}
	return level, nil
}

func (c Config) checkRest() error {
	if _, err := c.LogLevel(); err != nil {
		return err
	}
	scheme, rest, ok := strings.Cut(c.Database.URL.Reveal(), ":")
	if c.Database.URL != "" && (!ok || rest == "" || scheme != "sqlite" && scheme != "postgres" && scheme != "postgresql") {
		return wrong("database.url", "database.url must be sqlite:PATH or postgres://…")
	}
	if strings.ContainsAny(c.Issuer.Name, "\r\n") {
		return errors.New("issuer.name must be one line")
	}
	return nil
}
