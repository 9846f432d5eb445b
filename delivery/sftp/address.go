package sftp

import (
	"crypto/ed25519"
	"encoding/base64"
	"encoding/pem"
	"io"
	"net"
	"net/url"
	"path"
	"slices"
	"strings"
	"unicode"

	"golang.org/x/crypto/ssh"

	"teikyo/models"
)

// Limits of what people enter.
const (
	maxURL      = 500 // bytes
	maxHostKeys = 8
	maxPassword = 1024
	maxKeyFile  = 16 << 10
	minRSA      = 2048 // bits
)

// address is where a destination stands.
type address struct{ user, host, folder string }

// parseAddress reads sftp://USER@HOST[:PORT]/FOLDER.
func parseAddress(text string) (address, error) {
	u, err := url.Parse(text)
	if err != nil || u.Scheme != "sftp" || u.Hostname() == "" || u.User.Username() == "" || len(text) > maxURL ||
		strings.ContainsFunc(text, func(r rune) bool { return unicode.IsControl(r) || unicode.IsSpace(r) }) {
		return address{}, models.Errorf(models.Invalid, "the address must read sftp://USER@HOST:PORT/FOLDER and have at most %d bytes", maxURL)
	}
	if _, given := u.User.Password(); given {
		return address{}, models.Errorf(models.Invalid, "the address holds a password, which others may have seen now; leave it out, change it, and give it by file")
	}
	if u.RawQuery != "" || u.Fragment != "" || u.Opaque != "" || strings.ContainsAny(u.Path, "\x00") {
		return address{}, models.Errorf(models.Invalid, "the address must read sftp://USER@HOST:PORT/FOLDER, without ? and #")
	}
	if slices.Contains(strings.Split(u.Path, "/"), "..") {
		return address{}, models.Errorf(models.Invalid, "the folder of the address must not hold ..")
	}
	port := u.Port()
	if port == "" {
		port = "22"
	}
	return address{u.User.Username(), net.JoinHostPort(strings.ToLower(u.Hostname()), port), path.Clean("/" + u.Path)}, nil
}

func (a address) String() string {
	u := url.URL{Scheme: "sftp", User: url.User(a.user), Host: a.host, Path: a.folder}
	return u.String()
}

// Check puts the address and the host keys of a destination into their one form,
// fills in the public half of a key, and refuses what cannot work.
func (c *Channel) Check(d models.Destination, secret []byte) (models.Destination, error) {
	a, err := parseAddress(d.URL)
	if err != nil {
		return d, err
	}
	d.URL = a.String()
	if d.HostKeys, err = normalKeys(d.HostKeys); err != nil {
		return d, err
	}
	if d.Login == models.LoginPassword {
		if len(secret) == 0 || len(secret) > maxPassword || strings.ContainsAny(string(secret), "\x00\r\n") {
			return d, models.Errorf(models.Invalid, "the password is empty, longer than %d bytes, or holds line breaks", maxPassword)
		}
		return d, nil
	}
	signer, err := parseSecretKey(secret)
	if err != nil {
		return d, err
	}
	d.PublicKey = keyText(signer.PublicKey())
	return d, nil
}

// NewKey makes an Ed25519 key in the form of OpenSSH.
func (c *Channel) NewKey(rand io.Reader) ([]byte, error) {
	_, secret, err := ed25519.GenerateKey(rand)
	if err != nil {
		return nil, models.Wrap(models.Internal, err, "no randomness for a key")
	}
	block, err := ssh.MarshalPrivateKey(secret, "teikyo")
	if err != nil {
		return nil, models.Wrap(models.Internal, err, "the new key could not be written")
	}
	return pem.EncodeToMemory(block), nil
}

// parseSecretKey reads a key without a passphrase. Its error never holds it.
func parseSecretKey(text []byte) (ssh.Signer, error) {
	if len(text) > maxKeyFile {
		return nil, models.Errorf(models.Invalid, "the private key is longer than %d bytes", maxKeyFile)
	}
	signer, err := ssh.ParsePrivateKey(text)
	if err != nil {
		return nil, models.Errorf(models.Invalid, "this is no private key of OpenSSH without a passphrase; let the server make one (--make-key)")
	}
	return signer, checkStrength(signer.PublicKey())
}

// normalKeys reads host keys as ssh-keyscan and known_hosts write them, or
// without the host's name.
func normalKeys(lines []string) ([]string, error) {
	const ask = "ask the recipient for it, by another way than the network (ssh-keyscan alone proves nothing)"
	var keys []string
	for _, line := range lines {
		line = strings.TrimSpace(line)
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		if len(line) > maxKeyFile {
			return nil, models.Errorf(models.Invalid, "a host key is too long")
		}
		key, err := parseHostKey(line)
		if err != nil {
			return nil, err
		}
		if !slices.Contains(keys, keyText(key)) {
			keys = append(keys, keyText(key))
		}
	}
	if len(keys) == 0 {
		return nil, models.Errorf(models.Invalid, "the host key of the server is missing (--host-key-file); "+ask)
	}
	if len(keys) > maxHostKeys {
		return nil, models.Errorf(models.Invalid, "there are more than %d host keys", maxHostKeys)
	}
	slices.Sort(keys)
	return keys, nil
}

func parseHostKey(line string) (ssh.PublicKey, error) {
	fields := strings.Fields(line)
	for i := range min(len(fields)-1, 2) {
		blob, err := base64.StdEncoding.DecodeString(fields[i+1])
		if err != nil {
			continue
		}
		key, err := ssh.ParsePublicKey(blob)
		if err == nil && key.Type() == fields[i] {
			return key, checkStrength(key)
		}
	}
	return nil, models.Errorf(models.Invalid, "%.60q is no host key; it reads like: ssh-ed25519 AAAA…", line)
}

func checkStrength(key ssh.PublicKey) error {
	switch key.Type() {
	case ssh.KeyAlgoED25519, ssh.KeyAlgoECDSA256, ssh.KeyAlgoECDSA384, ssh.KeyAlgoECDSA521:
		return nil
	case ssh.KeyAlgoRSA:
		// The length of a public blob is close enough: exponent and names are short.
		if len(key.Marshal())*8 >= minRSA {
			return nil
		}
	}
	return models.Errorf(models.Invalid, "keys of the type %s, or as short as this one, are not used; use ssh-ed25519", key.Type())
}

// keyText is "type base64".
func keyText(key ssh.PublicKey) string {
	return strings.TrimSpace(string(ssh.MarshalAuthorizedKey(key)))
}
