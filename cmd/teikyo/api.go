package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"

	"teikyo/client"
	"teikyo/internal/buildinfo"
	"teikyo/models"
)

// credentials is what login leaves in the user's configuration folder (0600).
type credentials struct {
	Server string `json:"server"`
	Token  string `json:"token"`
}

// configDir is the user's configuration folder of this program.
func (c *cli) configDir() (string, error) {
	if c.home != "" {
		return c.home, nil
	}
	if dir := os.Getenv("TEIKYO_CONFIG_DIR"); dir != "" {
		return dir, nil
	}
	dir, err := os.UserConfigDir()
	if err != nil {
		return "", models.Wrap(models.Invalid, err, "there is no home folder; set TEIKYO_CONFIG_DIR")
	}
	return filepath.Join(dir, "teikyo"), nil
}

// credentialsFile is where the token is read from and written to.
func (c *cli) credentialsFile() (string, error) {
	if file := os.Getenv("TEIKYO_TOKEN_FILE"); file != "" && c.home == "" {
		return file, nil
	}
	dir, err := c.configDir()
	if err != nil {
		return "", err
	}
	return filepath.Join(dir, "credentials.json"), nil
}

// loadCredentials reads the credentials: JSON as login writes it, or a bare
// token. A missing file gives none.
func (c *cli) loadCredentials() (credentials, error) {
	var cred credentials
	file, err := c.credentialsFile()
	if err != nil {
		return cred, err
	}
	text, err := os.ReadFile(file)
	if os.IsNotExist(err) {
		return cred, nil
	}
	if err != nil {
		return cred, models.Wrap(models.Invalid, err, "the token file cannot be read")
	}
	if json.Unmarshal(text, &cred) != nil {
		cred = credentials{Token: strings.TrimSpace(string(text))}
	}
	return cred, nil
}

// saveCredentials writes the credentials so that only the user reads them.
func (c *cli) saveCredentials(cred credentials) error {
	file, err := c.credentialsFile()
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
		return models.Wrap(models.Invalid, err, "the configuration folder cannot be made")
	}
	text, err := json.Marshal(cred)
	if err != nil {
		return err
	}
	if err := os.WriteFile(file+".tmp", append(text, '\n'), 0o600); err != nil {
		return models.Wrap(models.Invalid, err, "the token file cannot be written")
	}
	return os.Rename(file+".tmp", file)
}

// serverAddress is the server to talk to: flag, environment, login.
func (c *cli) serverAddress(cred credentials) string {
	for _, s := range []string{c.server, c.serverFromEnvironment(), cred.Server} {
		if s != "" {
			return strings.TrimRight(s, "/")
		}
	}
	return ""
}

// serverFromEnvironment does not count for a person of the demo.
func (c *cli) serverFromEnvironment() string {
	if c.home != "" {
		return ""
	}
	return os.Getenv("TEIKYO_SERVER")
}

// tokenAt is the token, unless it is that of another server: whoever gives the
// address of a server must not get the token with it.
func (cred credentials) tokenAt(base string) string {
	if cred.Server != "" && strings.TrimRight(cred.Server, "/") != base {
		return ""
	}
	return cred.Token
}

// api is a client with the user's token, if there is one for that server.
func (c *cli) api() (*client.Client, error) {
	cred, err := c.loadCredentials()
	if err != nil {
		return nil, err
	}
	base := c.serverAddress(cred)
	if base == "" {
		return nil, models.Errorf(models.Denied, "not signed in; run teikyo login --server URL --email E --password-file F")
	}
	return &client.Client{Base: base, Token: cred.tokenAt(base), HTTP: client.DefaultHTTP(), UserAgent: "teikyo/" + buildinfo.Version()}, nil
}

// readSecret reads a password, code or key from a file, or from standard input
// for "-": secrets are never taken from arguments. One line end is cut off.
func (c *cli) readSecret(path, what string) (string, error) {
	const limit = 64 << 10
	var text []byte
	var err error
	if path == "-" {
		text, err = io.ReadAll(io.LimitReader(c.in, limit))
	} else {
		text, err = readFileLimited(path, limit)
	}
	if err != nil {
		return "", models.Wrap(models.Invalid, err, "the "+what+" cannot be read from "+path)
	}
	text = bytes.TrimSuffix(bytes.TrimSuffix(text, []byte("\n")), []byte("\r"))
	if len(text) == 0 {
		return "", models.Errorf(models.Invalid, "the %s in %s is empty", what, path)
	}
	return string(text), nil
}

func readFileLimited(path string, limit int64) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(io.LimitReader(f, limit))
}

// show prints an answer of the API: as it came with --json, else the named
// fields, one a line. A field may be dotted ("provision.id").
func (c *cli) show(answer json.RawMessage, fields ...string) error {
	if c.json {
		return c.printRaw(answer)
	}
	var v map[string]any
	if err := decodeNumbers(answer, &v); err != nil {
		return err
	}
	w := tabwriter.NewWriter(c.out, 0, 0, 2, ' ', 0)
	for _, f := range fields {
		if text := fieldText(v, f); text != "" {
			fmt.Fprintf(w, "%s\t%s\n", strings.ReplaceAll(f, "_", " "), printableLines(text))
		}
	}
	return w.Flush()
}

// table prints a list answer ({"items": […]}) as a table of the named fields.
func (c *cli) table(answer json.RawMessage, fields ...string) error {
	if c.json {
		return c.printRaw(answer)
	}
	var list struct {
		Items []map[string]any `json:"items"`
		Next  string           `json:"next_cursor"`
	}
	if err := decodeNumbers(answer, &list); err != nil {
		return err
	}
	rows := make([][]string, 0, len(list.Items)+1)
	heads := slices.Clone(fields)
	for i, h := range heads {
		heads[i] = strings.ToUpper(strings.ReplaceAll(h, "_", " "))
	}
	rows = append(rows, heads)
	for _, item := range list.Items {
		cells := make([]string, len(fields))
		for i, f := range fields {
			cells[i] = printable(shortTime(fieldText(item, f)))
		}
		rows = append(rows, cells)
	}
	if err := writeTable(c.out, rows); err != nil {
		return err
	}
	if list.Next != "" {
		c.say("more: --cursor %s", list.Next)
	}
	return nil
}

func (c *cli) printRaw(answer json.RawMessage) error {
	var out bytes.Buffer
	if err := json.Indent(&out, answer, "", "  "); err != nil {
		return models.Wrap(models.Unavailable, err, "the server's answer is not JSON")
	}
	out.WriteByte('\n')
	_, err := c.out.Write(out.Bytes())
	return err
}

func decodeNumbers(answer json.RawMessage, v any) error {
	dec := json.NewDecoder(bytes.NewReader(answer))
	dec.UseNumber()
	if err := dec.Decode(v); err != nil {
		return models.Wrap(models.Unavailable, err, "the server's answer is not what was expected")
	}
	return nil
}

// fieldText is one field as text: lists joined by commas, absent as "".
func fieldText(v map[string]any, path string) string {
	head, rest, dotted := strings.Cut(path, ".")
	if dotted {
		inner, _ := v[head].(map[string]any)
		return fieldText(inner, rest)
	}
	return anyText(v[head])
}

func anyText(v any) string {
	switch x := v.(type) {
	case nil:
		return ""
	case string:
		return x
	case json.Number:
		return x.String()
	case bool:
		return strconv.FormatBool(x)
	case []any:
		parts := make([]string, len(x))
		for i, e := range x {
			parts[i] = anyText(e)
		}
		return strings.Join(parts, ", ")
	default:
		text, _ := json.Marshal(x)
		return string(text)
	}
}
