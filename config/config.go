// Package config reads the settings of the server: a YAML file, then the
// environment (TEIKYO_…), then flags; the later wins. Every setting works when
// it is left out. The comments of Config and its parts are the manual.
package config

import "time"

// Config is the settings of a server. The name of a setting in the file is in
// its tag; in the environment it is TEIKYO_ and that name in capitals, with _ for
// the dots.
type Config struct {
	// Data is the folder that holds everything the server makes: database,
	// objects, keys. Default: teikyo-data in the working directory.
	Data string `koanf:"data"`
	// Listen is HOST:PORT. Default: 127.0.0.1:8080. Beyond loopback it needs
	// tls_cert and tls_key, or tls_proxy.
	Listen string `koanf:"listen"`
	// PublicURL is the address under which people reach the server; links are
	// built from it, never from a request. Default: the listening address.
	PublicURL string `koanf:"public_url"`
	// TLSCert and TLSKey are PEM files; the certificate first, then its chain.
	// Changed files are taken up within a minute.
	TLSCert string `koanf:"tls_cert"`
	TLSKey  string `koanf:"tls_key"`
	// TLSProxy declares that a proxy in front of the server speaks TLS, so that
	// the server may listen beyond loopback without it.
	TLSProxy bool `koanf:"tls_proxy"`
	// TrustedProxies are the addresses or networks (CIDR) whose X-Forwarded-For
	// counts. Default: none.
	TrustedProxies []string `koanf:"trusted_proxies"`
	// AdminListen is HOST:PORT for metrics and profiles (/metrics,
	// /debug/pprof/). It asks for no password: keep it on loopback or in a
	// network of its own. Default: off.
	AdminListen string `koanf:"admin_listen"`
	// KeysDir is the folder of the keys; put it on another disk than the data,
	// so that a stolen data disk is of no use. Default: keys in the data folder.
	KeysDir string `koanf:"keys_dir"`
	// CheckpointsDir is the second place, where the ledger's checkpoints go; put
	// it on another disk or a network mount, so that a restored snapshot of the
	// data is noticed. Default: checkpoints in the data folder, with a warning.
	CheckpointsDir string `koanf:"checkpoints_dir"`
	// CheckpointsURL is the second place in a bucket of an S3 store, written like
	// storage.url; best in another account, whose keys cannot delete. Default:
	// none, checkpoints_dir counts.
	CheckpointsURL string `koanf:"checkpoints_url"`
	// WordingDir holds texts that replace the built-in ones (notices, READMEs).
	// Default: none.
	WordingDir string `koanf:"wording_dir"`
	// ProfilesDir holds de-identification profiles of the operator, *.yaml.
	ProfilesDir string `koanf:"profiles_dir"`
	// ClientsDir is a folder with builds of this program, named teikyo-…, that
	// everybody can fetch under /clients/. Default: none.
	ClientsDir string `koanf:"clients_dir"`
	// TimeZone is where the dates that people give begin and end, an IANA name
	// such as Asia/Tokyo. Default: that of the machine.
	TimeZone string `koanf:"time_zone"`
	// FiscalYearStart is the month (1 to 12) in which running numbers start
	// again. Default: 4.
	FiscalYearStart int `koanf:"fiscal_year_start"`
	// DrainTimeout is how long transfers may go on when the server is told to
	// stop. Default: 60s.
	DrainTimeout time.Duration `koanf:"drain_timeout"`
	// DrainDelay is how long the server still takes requests after it was told to
	// stop, while /readyz says already that it is about to: time for a load
	// balancer to lead people to other nodes. Default: 0s.
	DrainDelay time.Duration `koanf:"drain_delay"`

	Database Database `koanf:"database"`
	Storage  Storage  `koanf:"storage"`
	Issuer   Issuer   `koanf:"issuer"`
	Links    Links    `koanf:"links"`
	Egress   Egress   `koanf:"egress"`
	Webhooks Webhooks `koanf:"webhooks"`
	Syslog   Syslog   `koanf:"syslog"`
	KEK      KEK      `koanf:"kek"`
	Log      Log      `koanf:"log"`
}

// Egress is where the server may connect to by itself, beside public addresses.
type Egress struct {
	// AllowPrivate are networks (CIDR) that are not public and may be reached all
	// the same: receivers in the own network. Default: none.
	AllowPrivate []string `koanf:"allow_private"`
}

// Webhooks are the rules for messages to other servers.
type Webhooks struct {
	// CAFile is a PEM file of further authorities whose certificates receivers
	// may have, beside those of the machine. Default: none.
	CAFile string `koanf:"ca_file"`
}

// Database says where rows and the ledger are kept.
type Database struct {
	// URL is sqlite:PATH or postgres://…. Default: teikyo.db in the data folder.
	URL Secret `koanf:"url"`
	// PasswordFile holds the password of PostgreSQL when the URL has none; a line
	// end after it does not count. Default: none, and PGPASSFILE counts.
	PasswordFile string `koanf:"password_file"`
	// MaxConnections is how many connections to PostgreSQL this node opens at
	// most, at least 8. Default: 20.
	MaxConnections int `koanf:"max_connections"`
}

// Storage says where sealed objects are kept.
type Storage struct {
	// URL is folder:PATH, or a bucket of an S3 store:
	// s3://BUCKET/PREFIX?endpoint=https://HOST:PORT&region=R&path_style=true&ca_file=F&credentials=C&profile=P
	// where C is environment, instance or file:PATH. It holds no keys. Default:
	// the folder objects in the data folder.
	URL string `koanf:"url"`
}

// Issuer is the organisation that runs the server.
type Issuer struct {
	// Origin names the organisation in what it signs, such as example.jp: lower
	// case, no host name that may change. It is fixed when the server first
	// starts. Default: the host of public_url, else the machine's name.
	Origin string `koanf:"origin"`
	// Name is the organisation's name as people read it. Default: the origin.
	Name string `koanf:"name"`
}

// Links are the rules for download links.
type Links struct {
	// AllowUnbound permits links that anybody who holds them can use (--bind
	// none). Default: false.
	AllowUnbound bool `koanf:"allow_unbound"`
	// TTL is how long a link lasts when nobody says so. Default: 72h.
	TTL time.Duration `koanf:"ttl"`
	// MaxTTL is the longest a link may last. Default: 720h, thirty days.
	MaxTTL time.Duration `koanf:"max_ttl"`
}

// Syslog is a server that collects security events (RFC 5424 over TLS, RFC 5425).
type Syslog struct {
	// URL is tls://HOST:PORT; every ledger entry goes there, ids alone. A server
	// in the own network must be in egress.allow_private. Default: none.
	URL string `koanf:"url"`
	// CAFile is a PEM file of further authorities whose certificate it may have,
	// beside those of the machine. Default: none.
	CAFile string `koanf:"ca_file"`
	// CertFile and KeyFile are PEM files of the certificate that this server shows
	// to it. Default: none.
	CertFile string `koanf:"cert_file"`
	KeyFile  string `koanf:"key_file"`
}

// Log is the server's own log, JSON lines on standard error.
type Log struct {
	// Level is debug, info, warn or error. Default: info.
	Level string `koanf:"level"`
}

// WithDefaults fills in what was left out.
func (c Config) WithDefaults() Config {
	orDefault(&c.Data, "teikyo-data")
	orDefault(&c.Listen, "127.0.0.1:8080")
	orDefault(&c.FiscalYearStart, 4)
	orDefault(&c.DrainTimeout, time.Minute)
	orDefault(&c.Database.MaxConnections, 20)
	orDefault(&c.Links.TTL, 72*time.Hour)
	orDefault(&c.Links.MaxTTL, 720*time.Hour)
	orDefault(&c.Log.Level, "info")
	c.KEK = c.KEK.withDefaults()
	return c
}

func orDefault[T comparable](field *T, value T) {
	var zero T
	if *field == zero {
		*field = value
	}
}
