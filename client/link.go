package client

import (
	"crypto/sha256"
	"encoding/hex"
	"net"
	"net/url"
	"strings"

	"teikyo/models"
)

// maxLink is the longest link, in bytes, maxToken the longest token.
const (
	maxLink  = 4 << 10
	maxToken = 2 << 10
)

// link is a download link, PUBLIC_URL/d/TOKEN.
type link struct{ base, token string }

// parseLink reads a link as people paste it. No error repeats it: it may be all
// that is needed to fetch the data.
func parseLink(text string) (link, error) {
	text = strings.Trim(strings.TrimSpace(text), "<>")
	u, err := url.Parse(text)
	if err != nil || len(text) > maxLink || u.Host == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" ||
		u.Scheme != "https" && u.Scheme != "http" {
		return link{}, badLink()
	}
	path := u.EscapedPath()
	at := strings.LastIndex(path, "/d/")
	if at < 0 {
		return link{}, badLink()
	}
	token := path[at+len("/d/"):]
	if token == "" || len(token) > maxToken || strings.Trim(token, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.") != "" {
		return link{}, badLink()
	}
	return link{base: u.Scheme + "://" + u.Host + path[:at], token: token}, nil
}

func badLink() error {
	return models.Errorf(models.Invalid, "this is not a download link; it looks like https://HOST/d/… and mail programs may have cut it")
}

// digest recognises the link without holding it.
func (l link) digest() string {
	sum := sha256.Sum256([]byte(l.token))
	return hex.EncodeToString(sum[:])
}

// inClear tells whether everybody on the way could read what is sent.
func (l link) inClear() bool {
	u, err := url.Parse(l.base)
	if err != nil || u.Scheme == "https" {
		return false
	}
	ip := net.ParseIP(u.Hostname())
	return u.Hostname() != "localhost" && (ip == nil || !ip.IsLoopback())
}
