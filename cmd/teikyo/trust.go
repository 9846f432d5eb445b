package main

import (
	"bufio"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"
	"unicode"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"teikyo/client/received"
	"teikyo/crypto"
	"teikyo/ledger/checkpoints"
)

// trustFlags say whom to believe.
type trustFlags struct{ issuer string }

func (f *trustFlags) register(cmd *cobra.Command) {
	cmd.Flags().StringVar(&f.issuer, "issuer", "", "issuer file that you were given; needed once for an issuer that is not known here")
}

// trust is what this user knows of issuers and their ledgers, kept in the
// configuration folder.
func (c *cli) trust(f *trustFlags) (received.Trust, *checkpoints.Witness, error) {
	dir, err := c.configDir()
	if err != nil {
		return received.Trust{}, nil, err
	}
	trust := received.Trust{Pins: received.Pins{Dir: filepath.Join(dir, "issuers")}}
	if _, ok := terminalOf(c.in); ok && !c.json {
		trust.Ask = c.askIssuer
	}
	if f.issuer != "" {
		issuer, err := received.ReadIssuer(f.issuer)
		if err != nil {
			return trust, nil, err
		}
		trust.Given = &issuer
	}
	return trust, checkpoints.NewWitness(filepath.Join(dir, "checkpoints")), nil
}

// askIssuer lets the user compare the fingerprint of an unknown issuer.
func (c *cli) askIssuer(origin, fingerprint string) (bool, error) {
	fmt.Fprintf(c.err, `This comes from an issuer that is not known here yet.
  name         %s
  fingerprint  %s
Compare the fingerprint with the one you were given when your key was approved,
not with anything that came with the link. Type yes if they are the same: `, printable(origin), printable(fingerprint))
	line, err := bufio.NewReader(c.in).ReadString('\n')
	if err != nil && line == "" {
		return false, nil // the end of the input is no yes
	}
	return strings.EqualFold(strings.TrimSpace(line), "yes"), nil
}

func isTerminal(f *os.File) bool { return term.IsTerminal(int(f.Fd())) }

// parcelDocument is the JSON of a verified parcel.
func parcelDocument(p *received.Parcel, notes []string) map[string]any {
	h := p.Head
	return map[string]any{
		"provision": h.Provision, "number": h.Number,
		"issuer":  map[string]any{"origin": p.Issuer.Origin, "fingerprint": p.Issuer.Fingerprint()},
		"dataset": map[string]any{"id": h.Dataset.ID, "version": h.Dataset.Version, "title": h.Dataset.Title},
		"class":   h.Dataset.Class, "class_statement": h.ClassStatement, "purpose": h.Purpose.Code, "items": h.Items,
		"recipient": map[string]any{"id": h.Recipient.ID, "name": h.Recipient.Name}, "key_fingerprint": h.KeyFingerprint,
		"valid_until": h.ValidUntil, "ledger_index": p.Receipt.Index(), "recorded_at": p.Receipt.Time(),
		"manifest_sha256": p.ManifestSHA256(), "notes": append([]string{}, notes...),
	}
}

// showParcel prints what the parcel is: who gave what to whom, until when, where
// it is now, and in words what class of information it is.
func (c *cli) showParcel(doc map[string]any, p *received.Parcel, notes []string) error {
	for _, note := range notes {
		c.say("note: %s", note)
	}
	if c.json {
		c.printJSON(doc)
		return nil
	}
	h := p.Head
	rows := [][2]string{
		{"dataset", fmt.Sprintf("%s, version %d (%s)", h.Dataset.Title, h.Dataset.Version, h.Dataset.ID)},
		{"provision", strings.TrimSpace(h.Number + " " + h.Provision)},
		{"issuer", p.Issuer.Origin},
		{"recipient", h.Recipient.Name},
		{"purpose", h.Purpose.Code + ": " + h.Purpose.Words},
		{"class", h.Dataset.Class},
		{"valid until", localTime(h.ValidUntil)},
		{"recorded", fmt.Sprintf("%s, entry %d of %s", localTime(p.Receipt.Time()), p.Receipt.Index(), p.Receipt.Checkpoint().Origin)},
	}
	for _, name := range []string{"files", "skipped", "unchecked", "folder"} {
		if v, ok := doc[name]; ok && v != 0 {
			rows = append(rows, [2]string{name, fmt.Sprint(v)})
		}
	}
	for _, row := range rows {
		c.printLine(fmt.Sprintf("%-12s %s", row[0], printable(row[1])))
	}
	if text := statement(h); text != "" {
		c.printLine("\n" + text)
	}
	return nil
}

// statement says in the user's language what class of information it is.
func statement(h crypto.ManifestHead) string {
	text := h.ClassStatement[language()]
	if text == "" {
		text = h.ClassStatement["en"]
	}
	lines := strings.Split(strings.TrimSpace(text), "\n")
	for i, line := range lines {
		lines[i] = strings.TrimRight(printable(line), " ")
	}
	return strings.Join(lines, "\n")
}

func language() string {
	for _, name := range []string{"LC_ALL", "LC_MESSAGES", "LANG"} {
		if value := os.Getenv(name); value != "" {
			return strings.SplitN(strings.SplitN(value, "_", 2)[0], ".", 2)[0]
		}
	}
	return "en"
}

// printable keeps texts of others from steering the terminal.
func printable(text string) string { return strings.Map(printableRune, text) }

// printableLines is printable for text of several lines.
func printableLines(text string) string {
	return strings.Map(func(r rune) rune {
		if r == '\n' || r == '\t' {
			return r
		}
		return printableRune(r)
	}, text)
}

func printableRune(r rune) rune {
	if unicode.IsControl(r) || unicode.In(r, unicode.Zl, unicode.Zp, unicode.Bidi_Control) {
		return ' '
	}
	return r
}

func localTime(t time.Time) string { return t.Local().Format("2006-01-02 15:04 MST") }
