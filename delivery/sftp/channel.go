// Package sftp carries parcels to SFTP servers.
//
// A file is written under a temporary name and renamed when it is whole. It goes
// out in blocks: one begins when the server has acknowledged all of the one
// before, so that whatever an attempt left is whole up to the last block that it
// began, and the next attempt goes on there.
package sftp

import (
	"context"
	"errors"
	"net"
	"slices"
	"time"

	pkgsftp "github.com/pkg/sftp"
	"golang.org/x/crypto/ssh"

	"teikyo/delivery"
	"teikyo/egress"
	"teikyo/models"
)

const (
	// patience is how long a target may be silent.
	patience = 2 * time.Minute
	// inFlight is how many requests of 32 KiB wait for an answer at a time.
	inFlight = 64
)

// Channel is the way to SFTP servers.
type Channel struct {
	// Dial connects through package egress.
	Dial func(ctx context.Context, network, address string) (net.Conn, error)
	// Patience is how long a target may be silent; zero means two minutes.
	Patience time.Duration
}

// Connect logs in. A server that shows another key than the pinned ones gets
// nothing, not even the login.
func (c *Channel) Connect(ctx context.Context, to delivery.Target) (delivery.Session, error) {
	a, err := parseAddress(to.Destination.URL)
	if err != nil {
		return nil, delivery.Final{Err: err}
	}
	config, shown, err := c.config(a, to)
	if err != nil {
		return nil, delivery.Final{Err: err}
	}
	conn, err := c.Dial(ctx, "tcp", a.host)
	if err != nil {
		return nil, dialError(err)
	}
	raw := &patient{Conn: conn, limit: c.patience()}
	stop := context.AfterFunc(ctx, raw.cut)
	link, channels, requests, err := ssh.NewClientConn(raw, a.host, config)
	if err != nil {
		stop()
		raw.cut()
		return nil, loginError(ctx, err, *shown)
	}
	client := ssh.NewClient(link, channels, requests)
	files, err := pkgsftp.NewClient(client, pkgsftp.UseConcurrentWrites(true), pkgsftp.MaxConcurrentRequestsPerFile(inFlight))
	if err != nil {
		stop()
		raw.cut()
		return nil, models.Wrap(models.Unavailable, err, "the server lets us in but offers no SFTP; the recipient must switch it on for this account")
	}
	return &session{files: files, client: client, raw: raw, stop: stop, folder: a.folder, made: map[string]bool{}}, nil
}

func (c *Channel) patience() time.Duration {
	if c.Patience > 0 {
		return c.Patience
	}
	return patience
}

// config pins the host keys; shown becomes the fingerprint of a foreign one.
func (c *Channel) config(a address, to delivery.Target) (*ssh.ClientConfig, *string, error) {
	shown := new(string)
	config := &ssh.ClientConfig{
		User: a.user, Timeout: c.patience(), ClientVersion: "SSH-2.0-teikyo",
		HostKeyCallback: func(_ string, _ net.Addr, key ssh.PublicKey) error {
			if slices.Contains(to.Destination.HostKeys, keyText(key)) {
				return nil
			}
			*shown = ssh.FingerprintSHA256(key)
			return errors.New("another host key")
		},
	}
	for _, line := range to.Destination.HostKeys {
		key, err := parseHostKey(line)
		if err != nil {
			return nil, nil, err
		}
		config.HostKeyAlgorithms = append(config.HostKeyAlgorithms, algorithms(key.Type())...)
	}
	if to.Destination.Login == models.LoginKey {
		signer, err := parseSecretKey(to.Secret)
		if err != nil {
			return nil, nil, models.Wrap(models.Integrity, err, "the stored key of the destination cannot be read; enter the destination again")
		}
		config.Auth = []ssh.AuthMethod{ssh.PublicKeys(signer)}
		return config, shown, nil
	}
	password := string(to.Secret)
	config.Auth = []ssh.AuthMethod{
		ssh.Password(password),
		ssh.KeyboardInteractive(func(_, _ string, questions []string, echos []bool) ([]string, error) {
			return answers(password, questions, echos)
		}),
	}
	return config, shown, nil
}

// answers gives the password to one hidden question, and to nothing else.
func answers(password string, questions []string, echos []bool) ([]string, error) {
	switch {
	case len(questions) == 0:
		return nil, nil
	case len(questions) == 1 && !echos[0]:
		return []string{password}, nil
	default:
		return nil, errors.New("the server asks for more than a password")
	}
}

// algorithms are those by which a server can prove a key of that type.
func algorithms(keyType string) []string {
	if keyType == ssh.KeyAlgoRSA {
		return []string{ssh.KeyAlgoRSASHA512, ssh.KeyAlgoRSASHA256}
	}
	return []string{keyType}
}

func dialError(err error) error {
	if errors.Is(err, egress.ErrRefused) {
		return delivery.Final{Err: models.Wrap(models.Denied, err, "the destination's address is not a public one; the operator permits networks in egress.allow_private")}
	}
	return models.Wrap(models.Unavailable, err, "the destination cannot be reached; it is tried again")
}

func loginError(ctx context.Context, err error, shown string) error {
	var refused *ssh.ServerAuthError
	switch {
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case shown != "":
		return delivery.Final{Err: models.Errorf(models.Integrity,
			"the server shows another host key (%s) than the approved ones; nothing was sent. Ask the recipient by another way; a new key is a new destination", shown)}
	case errors.As(err, &refused) || isAuth(err):
		return delivery.Final{Err: models.Errorf(models.Denied, "the server does not let us in; check the account and its password or key with the recipient")}
	default:
		return models.Wrap(models.Unavailable, err, "the server does not speak SSH as it should, or has no host key of the approved kind; it is tried again")
	}
}

// patient is a connection on which nobody may be silent for longer than limit.
type patient struct {
	net.Conn
	limit time.Duration
}

// Read implements net.Conn.
func (p *patient) Read(b []byte) (int, error) {
	if err := p.SetReadDeadline(time.Now().Add(p.limit)); err != nil {
		return 0, err
	}
	return p.Conn.Read(b)
}

// Write implements net.Conn.
func (p *patient) Write(b []byte) (int, error) {
	if err := p.SetWriteDeadline(time.Now().Add(p.limit)); err != nil {
		return 0, err
	}
	return p.Conn.Write(b)
}

// cut closes at once: what waits in the system's buffers does not go out.
func (p *patient) cut() {
	if tcp, ok := p.Conn.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0)
	}
	_ = p.Close()
}
