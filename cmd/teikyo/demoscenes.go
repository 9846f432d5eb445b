package main

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"teikyo/models"
)

// The people of the demo, by the name of their configuration folder.
const (
	aoi   = "aoi"   // administrator
	ben   = "ben"   // second administrator
	chie  = "chie"  // data manager
	daiki = "daiki" // researcher at the recipient
)

// people makes the accounts: the first administrator by the setup code, the
// others by invitation, the approvers confirmed.
func (d *demo) people(ctx context.Context) error {
	password, err := d.writeSecret("password", rand.Text())
	if err != nil {
		return err
	}
	_, err = d.do(ctx, aoi, "setup", "--code-file", d.path("server", "setup-code"), "--email", "aoi@example.jp",
		"--name", "Aoi", "--password-file", password)
	if err != nil {
		return err
	}
	for _, p := range []struct{ who, role string }{{ben, "administrator"}, {chie, "manager"}} {
		id, err := d.invite(ctx, p.who, p.role, password)
		if err != nil {
			return err
		}
		if _, err := d.do(ctx, aoi, "user", "confirm", id); err != nil {
			return err
		}
	}
	d.tell(demoStep{
		Who: "Aoi", Did: "becomes the first administrator by the one-time setup code, and invites Ben (administrator) and " +
			"Chie (data manager)",
		Command: "teikyo setup --code-file server/setup-code …\nteikyo user create --role manager …",
		Result:  "passwords are hashed with Argon2id; codes work once",
	})
	return nil
}

// invite makes an account, accepts the invitation and signs in.
func (d *demo) invite(ctx context.Context, who, role, passwordFile string, more ...string) (string, error) {
	user, err := d.do(ctx, aoi, append([]string{"user", "create", "--email", who + "@example.jp", "--name", who, "--role", role}, more...)...)
	if err != nil {
		return "", err
	}
	code, err := d.writeSecret(who+"-code", user.text("code"))
	if err != nil {
		return "", err
	}
	if _, err := d.do(ctx, who, "user", "accept", "--code-file", code, "--password-file", passwordFile); err != nil {
		return "", err
	}
	_, err = d.do(ctx, who, "login", "--email", who+"@example.jp", "--password-file", passwordFile)
	return user.text("id"), err
}

// register shows a table with names being refused, then registers the clean one.
func (d *demo) register(ctx context.Context) error {
	claims, named := d.path("company", "claims-2025.csv"), d.path("company", "with-names.csv")
	if err := os.MkdirAll(d.path("company"), 0o700); err != nil {
		return err
	}
	if err := writeDemoFile(claims, func(w io.Writer) error { return writeDemoClaims(w, demoRows, 2025) }); err != nil {
		return err
	}
	err := os.WriteFile(named, []byte("氏名,生年月日,点数\n山田 花子,1980-03-14,1200\n佐藤 次郎,1975-11-02,800\n"), 0o600)
	if err != nil {
		return err
	}
	refused, err := d.must(ctx, 1, chie, "dataset", "register", "--title", "Claims with names", "--class", "anonymized",
		"--item", "claims.medical", named)
	if err != nil {
		return err
	}
	d.tell(demoStep{
		Who: "Chie", Did: "tries to register a table that still holds names and full birth dates",
		Command: "teikyo dataset register … with-names.csv", Result: "refused: " + refused.findings(),
	})
	return d.registerClaims(ctx, claims)
}

func (d *demo) registerClaims(ctx context.Context, claims string) error {
	start := time.Now()
	ds, err := d.do(ctx, chie, "dataset", "register", "--title", "Medical claims 2025 (demo)", "--class", "anonymized",
		"--item", "claims.medical", "--item", "demographics", "--description", "Invented claims of four insurers", claims)
	if err != nil {
		return err
	}
	d.ids().dataset = ds.text("id") + "@" + ds.text("version")
	info, err := os.Stat(claims)
	if err != nil {
		return err
	}
	d.tell(demoStep{
		Who: "Chie", Did: fmt.Sprintf("registers %s rows of claims (%d kB, month of birth, postal code of three digits)",
			thousands(demoRows), info.Size()/1000),
		Command: "teikyo dataset register --class anonymized … claims-2025.csv",
		Result: fmt.Sprintf("%s: checked, hashed and sealed in one pass, in %d ms; nothing is kept in clear",
			d.ids().dataset, time.Since(start).Milliseconds()),
	})
	return nil
}

// admitRecipient brings in an organisation with its agreement and key.
func (d *demo) admitRecipient(ctx context.Context) error {
	rcpt, err := d.do(ctx, chie, "recipient", "apply", "--name", "Toto University", "--country", "JP",
		"--address", "1-1 Hongo, Bunkyo-ku, Tokyo", "--representative", "Prof. E. Suzuki", "--email", "data@toto.example.jp")
	if err != nil {
		return err
	}
	id := rcpt.text("id")
	d.ids().recipient = id
	if _, err := d.do(ctx, ben, "recipient", "approve", id, "--until", d.inAYear(), "--reason", "documents reviewed"); err != nil {
		return err
	}
	contract := d.path("company", "agreement.txt")
	if err := os.WriteFile(contract, []byte("Data provision agreement 2026-17 (demo)\n"), 0o600); err != nil {
		return err
	}
	_, err = d.do(ctx, chie, "agreement", "add", id, "--number", "2026-17", "--document", contract, "--purpose", "research",
		"--method", "download", "--class", "anonymized", "--from", d.today(), "--until", d.inAYear())
	if err != nil {
		return err
	}
	d.tell(demoStep{
		Who: "Chie", Did: "enters Toto University with its agreement, and Ben approves it for a year: nobody approves what " +
			"they asked for themselves",
		Command: "teikyo recipient apply …\nteikyo agreement add …\nteikyo recipient approve " + id + " --until " + d.inAYear(),
	})
	return d.enrolKey(ctx)
}

// enrolKey makes the researcher's key, proves it and has it approved.
func (d *demo) enrolKey(ctx context.Context) error {
	id, identity := d.ids().recipient, d.path("researcher", "identity.txt")
	if err := os.MkdirAll(d.path("researcher"), 0o700); err != nil {
		return err
	}
	if _, err := d.invite(ctx, daiki, "recipient", d.path("people", "password"), "--recipient", id); err != nil {
		return err
	}
	pair, err := d.do(ctx, daiki, "keygen", "-o", identity)
	if err != nil {
		return err
	}
	public, err := d.writeSecret("daiki-public", pair.text("public"))
	if err != nil {
		return err
	}
	key, err := d.do(ctx, daiki, "recipient", "key", "add", id, "--public-file", public, "--holder", "Daiki")
	if err != nil {
		return err
	}
	for _, step := range [][]string{
		{daiki, "recipient", "key", "prove", id, key.text("id"), "-i", identity},
		{ben, "recipient", "key", "approve", id, key.text("id")},
	} {
		if _, err := d.do(ctx, step[0], step[1:]...); err != nil {
			return err
		}
	}
	d.tell(demoStep{
		Who: "Daiki", Did: "of the university makes a key pair, proves that he holds the secret half, and Ben approves the key",
		Command: "teikyo keygen -o identity.txt\nteikyo recipient key add …\nteikyo recipient key prove … -i identity.txt\nteikyo recipient key approve …",
		Result:  "the secret key never leaves his machine",
	})
	return nil
}

// provide publishes the notice, requests and approves.
func (d *demo) provide(ctx context.Context) error {
	_, err := d.do(ctx, chie, "notice", "publish", "--class", "anonymized", "--item", "claims.medical", "--item", "demographics",
		"--method", "download")
	if err != nil {
		return err
	}
	request, err := d.do(ctx, chie, "request", "create", "--dataset", d.ids().dataset, "--recipient", d.ids().recipient,
		"--purpose", "research", "--words", "Which treatments follow a first diagnosis of diabetes",
		"--method", "download", "--until", d.inAYear())
	if err != nil {
		return err
	}
	id := request.text("id")
	refused, err := d.must(ctx, 4, chie, "request", "approve", id, "--reason", "myself")
	if err != nil {
		return err
	}
	d.tell(demoStep{
		Who: "Chie", Did: "publishes the notice that the law asks for, requests the provision, and tries to approve it herself",
		Command: "teikyo notice publish …\nteikyo request create …\nteikyo request approve " + id,
		Result:  "refused: " + refused.text("error.message"),
	})
	start := time.Now()
	done, err := d.do(ctx, ben, "request", "approve", id, "--reason", "purpose is covered by agreement 2026-17")
	if err != nil {
		return err
	}
	d.ids().provision = done.text("provision.id")
	d.tell(demoStep{
		Who: "Ben", Did: "approves it, and that makes the provision: the file key is wrapped anew for Daiki's key, the manifest " +
			"signed, the ledger entry written",
		Command: "teikyo request approve " + id,
		Result: fmt.Sprintf("provision %s, number %s, in %d ms: the data itself was not touched",
			d.ids().provision, done.text("provision.number"), time.Since(start).Milliseconds()),
	})
	return nil
}

// receive fetches the parcel as the researcher does, and compares.
func (d *demo) receive(ctx context.Context) error {
	link, err := d.do(ctx, ben, "link", "create", d.ids().provision, "--ttl", "72h", "--uses", "3")
	if err != nil {
		return err
	}
	issuer := d.path("researcher", "issuer.json")
	if err := d.saveIssuer(ctx, issuer); err != nil {
		return err
	}
	d.ids().link = link.text("url")
	parcel := d.path("researcher", "parcel")
	_, err = d.do(ctx, daiki, "get", link.text("url"), "-o", parcel, "-i", d.path("researcher", "identity.txt"), "--issuer", issuer)
	if err != nil {
		return err
	}
	original, err1 := fileSHA256(d.path("company", "claims-2025.csv"))
	received, err2 := fileSHA256(filepath.Join(parcel, "data", "claims-2025.csv"))
	if err1 != nil || err2 != nil || original != received {
		return models.Errorf(models.Integrity, "the demo failed: the file that arrived is not the one that was registered")
	}
	d.tell(demoStep{
		Who: "Daiki", Did: "gets a link and fetches: download, check of issuer, manifest and receipt, and decryption in " +
			"one command, which resumes by itself when the line breaks",
		Command: "teikyo get LINK -o parcel -i identity.txt --issuer issuer.json",
		Result:  "claims-2025.csv, SHA-256 " + received[:16] + "…, the same as the original",
	})
	return nil
}

// saveIssuer keeps the issuer file that recipients get beforehand.
func (d *demo) saveIssuer(ctx context.Context, file string) error {
	api, err := (&cli{server: d.base, home: d.path("people", daiki)}).api()
	if err != nil {
		return err
	}
	resp, err := api.Do(ctx, "GET", "/.well-known/teikyo.json", nil, nil)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	return writeDemoFile(file, func(w io.Writer) error {
		_, err := io.Copy(w, io.LimitReader(resp.Body, 1<<20))
		return err
	})
}

// audit proves the record, online and offline.
func (d *demo) audit(ctx context.Context) error {
	receipt := d.path("researcher", "receipt.tlog-proof")
	if _, err := d.do(ctx, aoi, "provision", "receipt", d.ids().provision, "-o", receipt); err != nil {
		return err
	}
	report, err := d.do(ctx, aoi, "ledger", "verify", "--data", d.path("server"), "--receipt", receipt)
	if err != nil {
		return err
	}
	d.tell(demoStep{
		Who: "An auditor", Did: "checks the whole ledger against Daiki's receipt, without trusting the server",
		Command: "teikyo ledger verify --data server --receipt receipt.tlog-proof",
		Result:  fmt.Sprintf("%d entries, a Merkle tree signed by the issuer: all of it holds", report.number("size")),
	})
	return nil
}

// ids is what the scenes hand on.
func (d *demo) ids() *demoIDs { return &d.found }

type demoIDs struct{ dataset, recipient, provision, link string }

func (d *demo) today() string   { return time.Now().AddDate(0, 0, -1).Format(time.DateOnly) }
func (d *demo) inAYear() string { return time.Now().AddDate(1, 0, 0).Format(time.DateOnly) }

func writeDemoFile(path string, write func(io.Writer) error) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	if err := write(f); err != nil {
		f.Close()
		return err
	}
	return f.Close()
}

func fileSHA256(path string) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer f.Close()
	h := sha256.New()
	if _, err := io.Copy(h, f); err != nil {
		return "", err
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}

// thousands writes 100000 as 100,000.
func thousands(n int) string {
	text := strconv.Itoa(n)
	var parts []string
	for len(text) > 3 {
		parts = append([]string{text[len(text)-3:]}, parts...)
		text = text[:len(text)-3]
	}
	return strings.Join(append([]string{text}, parts...), ",")
}
