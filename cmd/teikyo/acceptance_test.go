package main

import (
	"fmt"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// sharedData is the folder with real files that nobody on this project wrote.
const sharedData = "../../../shared/data"

// realFile is a file of that folder; the test is skipped where there is none.
func realFile(t *testing.T, name string) string {
	t.Helper()
	path, err := filepath.Abs(filepath.Join(sharedData, name))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(path); err != nil {
		t.Skipf("the real data are not here: %v", err)
	}
	return path
}

// tools skips the test where a stock tool is missing, and fails it where all
// must run.
func tools(t *testing.T, names ...string) {
	t.Helper()
	for _, name := range names {
		if _, err := exec.LookPath(name); err != nil {
			if os.Getenv("CI") != "" {
				t.Fatalf("%s is not installed", name)
			}
			t.Skipf("%s is not installed", name)
		}
	}
}

// stock runs a tool of somebody else, in a folder.
func stock(t *testing.T, dir, tool string, args ...string) string {
	t.Helper()
	cmd := exec.Command(tool, args...)
	cmd.Dir = dir
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%s %q: %v\n%s", tool, args, err, out)
	}
	return string(out)
}

const unknownFormat = "waiver-required: unknown format"

// A format that the gate does not read is never waved through: not offline, not
// at the registration, and with a waiver of two people only.
func TestUnknownFormatsNeedAWaiver(t *testing.T) {
	t.Parallel()
	letter := filepath.Join(t.TempDir(), "letter.pdf")
	if err := os.WriteFile(letter, []byte("%PDF-1.7\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	w := newWorld(t)

	out, _ := w.mori.run(1, "", "dataset", "check", letter)
	if first, _, _ := strings.Cut(out, "\n"); first != unknownFormat {
		t.Errorf("offline: %q", first)
	}
	out, _ = w.mori.run(1, "", "dataset", "check", letter, "--json")
	report := document(t, out)["files"].([]any)[0].(map[string]any)
	if report["verdict"] != unknownFormat || report["sha256"] != sha256Of(t, letter) {
		t.Errorf("offline: %v", report)
	}

	register := []string{"dataset", "register", "--title", "A letter", "--class", "personal", "--item", "demographics", letter, "--json"}
	out, errOut := w.mori.run(1, "", register...)
	refusal := document(t, out)["error"].(map[string]any)
	findings := refusal["findings"].([]any)
	finding := findings[0].(map[string]any)
	if errOut != "" || len(findings) != 1 || finding["rule"] != "unknown-format" {
		t.Fatalf("%s%s", out, errOut)
	}
	version := regexp.MustCompile(`ds-[a-z0-9]+@1`).FindString(finding["message"].(string))
	if shown := w.mori.file(version, "letter.pdf"); shown["verdict"] != unknownFormat {
		t.Errorf("at the registration: %v", shown["verdict"])
	}

	waiver := w.mori.json("waiver", "request", version, "--finding", finding["id"].(string), "--reason", "an empty form")
	w.mori.run(4, "", "waiver", "approve", waiver["id"].(string))
	w.mori.run(1, "", register...)
	w.bob.json("waiver", "approve", waiver["id"].(string), "--reason", "read it")
	out, _ = w.mori.run(0, "", register...)
	if ds := document(t, out); ds["state"] != "registered" || fmt.Sprintf("%s@%v", ds["id"], ds["version"]) != version {
		t.Errorf("%s", out)
	}
	w.verifyLedger()
}

// file shows a file of a version as the server sees it.
func (p *person) file(version, path string) map[string]any {
	p.w.t.Helper()
	id, number, _ := strings.Cut(version, "@")
	status, body := p.call("GET", "/api/v1/datasets/"+id+"/versions/"+number+"/files/"+url.PathEscape(path), nil, nil)
	if status != 200 {
		p.w.t.Fatal(status, string(body))
	}
	return document(p.w.t, string(body))
}

// The main job on a real file, as docs/acceptance.md tells it.
func TestAdultIsProvided(t *testing.T) {
	t.Parallel()
	tools(t, "age", "age-keygen", "ssh-keygen", "bash", "sha256sum")
	adult := realFile(t, "arx/adult.csv")
	original := sha256Of(t, adult)
	w := newWorld(t)
	w.notice()
	ds := w.register("Adult", adult)
	r := w.partner("Keio")
	if shown := w.mori.json("dataset", "show", ds); shown["files"].([]any)[0].(map[string]any)["sha256"] != original {
		t.Fatal(shown)
	}
	request := w.request(ds, r)
	w.mori.run(4, "", "request", "approve", request, "--reason", "my own")
	answer := w.bob.json("request", "approve", request, "--reason", "fits the agreement")
	provision := answer["provision"].(map[string]any)["id"].(string)
	_, link := w.link(provision)

	t.Run("sealed, opened by age", func(t *testing.T) {
		w, r := r.seenBy(w.with(t))
		dir, _, _ := r.fetch(0, link, "sealed", "--keep-sealed")
		w.wantOpenedByAge(r, dir, original)
		w.wantReadmeToWork(r, dir, original)
		w.wantVerified(r, dir)
	})
	t.Run("opened", func(t *testing.T) {
		w, r := r.seenBy(w.with(t))
		dir, out, _ := r.fetch(0, link, "opened")
		if got := sha256Of(t, filepath.Join(dir, "data", "adult.csv")); got != original {
			t.Errorf("%s, want %s\n%s", got, original, out)
		}
		w.wantVerified(r, dir)
		if doc := document(t, out); doc["provision"] != provision || doc["opened"] != true || doc["files"] != 1.0 {
			t.Error(out)
		}
	})
	t.Run("open", func(t *testing.T) {
		_, r := r.seenBy(w.with(t))
		sealed, out := filepath.Join(r.user.home, "sealed"), filepath.Join(r.user.home, "later")
		r.desk.json("open", sealed, "-o", out, "-i", r.identity)
		if got := sha256Of(t, filepath.Join(out, "data", "adult.csv")); got != original {
			t.Error(got)
		}
	})
	t.Run("ledger", func(t *testing.T) {
		w, r := r.seenBy(w.with(t))
		receipt := filepath.Join(r.user.home, "sealed", "RECEIPT.tlog-proof")
		report := w.verifyLedger("--receipt", receipt, "--issuer", w.issuerFile())
		w.stop()
		if again := w.verifyLedger("--receipt", receipt); again["size"].(float64) < report["size"].(float64) {
			t.Errorf("%v after %v", again["size"], report["size"])
		}
	})
}

// seenBy is the partner with a user whose failures count for that world's test.
func (r *partner) seenBy(w *world) (*world, *partner) {
	s := *r
	s.user, s.desk = r.user.in(w), r.desk.in(w)
	return w, &s
}

func (w *world) wantOpenedByAge(r *partner, dir, original string) {
	w.t.Helper()
	opened := filepath.Join(w.dir, "by-age.csv")
	stock(w.t, dir, "age", "-d", "-i", r.identity, "-o", opened, "data/adult.csv.age")
	if got := sha256Of(w.t, opened); got != original {
		w.t.Errorf("age opened something else: %s", got)
	}
}

// wantReadmeToWork does what the README.txt of the parcel says, word for word.
func (w *world) wantReadmeToWork(r *partner, dir, original string) {
	w.t.Helper()
	readme := string(w.read(filepath.Join(dir, "README.txt")))
	before := listTree(w.t, dir)
	for _, chapter := range []string{"B. WITH STOCK TOOLS ON LINUX AND MACOS", "B. 標準のツールを使う場合（Linux、macOS）"} {
		home := w.folder("readme-home-" + randomText(w.t, 4))
		if err := os.WriteFile(filepath.Join(home, "teikyo-key.txt"), w.read(r.identity), 0o600); err != nil {
			w.t.Fatal(err)
		}
		cmd := exec.Command("bash", "-e")
		cmd.Dir, cmd.Env = dir, append(cleanEnvironment(), "HOME="+home)
		cmd.Stdin = strings.NewReader(readmeCommands(w.t, readme, chapter))
		text, err := cmd.CombinedOutput()
		if err != nil {
			w.t.Fatalf("%v\n%s", err, text)
		}
		out := string(text)
		if !strings.Contains(out, `Good "teikyo-manifest" signature`) || strings.Contains(out, "FAILED") || strings.Count(out, ": OK\n") != 6 {
			w.t.Errorf("the README's commands said:\n%s", out)
		}
		opened, err := filepath.Glob(filepath.Join(home, "teikyo-*", "files", "adult.csv"))
		if err != nil || len(opened) != 1 || sha256Of(w.t, opened[0]) != original {
			w.t.Errorf("%v %v\n%s", opened, err, out)
		}
	}
	if after := listTree(w.t, dir); !slices.Equal(before, after) {
		w.t.Errorf("the README's commands changed the parcel: %v, before %v", after, before)
	}
}

// readmeCommands are the indented lines of a chapter, up to the next one.
func readmeCommands(t *testing.T, readme, chapter string) string {
	t.Helper()
	_, rest, ok := strings.Cut(readme, "\n"+chapter+"\n")
	text, _, ok2 := strings.Cut(rest, "\nC. ")
	if !ok || !ok2 {
		t.Fatalf("the README has no chapter %q", chapter)
	}
	var commands strings.Builder
	for line := range strings.SplitSeq(text, "\n") {
		if command, ok := strings.CutPrefix(line, "    "); ok {
			commands.WriteString(command + "\n")
		}
	}
	return commands.String()
}

func (w *world) wantVerified(r *partner, dir string) {
	w.t.Helper()
	report := r.desk.json("verify", dir, "-i", r.identity)
	if report["ok"] != true || report["unchecked"] != 0.0 || report["files"].(float64) < 1 {
		w.t.Errorf("%v", report)
	}
}

// listTree lists the files below dir.
func listTree(t *testing.T, dir string) []string {
	t.Helper()
	var list []string
	err := filepath.WalkDir(dir, func(path string, entry os.DirEntry, err error) error {
		if err == nil && entry.Type().IsRegular() {
			list = append(list, strings.TrimPrefix(path, dir))
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return list
}

// The commands of docs/acceptance.md, word for word but for the port.
func TestAcceptanceByHand(t *testing.T) {
	t.Parallel()
	tools(t, "age", "bash")
	shared := filepath.Dir(filepath.Dir(realFile(t, "arx/adult.csv")))
	text, err := os.ReadFile("../../docs/acceptance.md")
	if err != nil {
		t.Fatal(err)
	}
	var script strings.Builder
	script.WriteString("set -eo pipefail\ntrap 'kill $SERVER 2>/dev/null || true' EXIT\n")
	for i, block := range strings.Split(string(text), "```sh\n")[1:] {
		commands, _, ok := strings.Cut(block, "```\n")
		if !ok {
			t.Fatalf("block %d has no end", i)
		}
		fmt.Fprintf(&script, "echo '== block %d'\n%s", i, commands)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_, port, err := net.SplitHostPort(l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	l.Close()
	path := filepath.Join(t.TempDir(), "story.sh")
	if err := os.WriteFile(path, []byte(strings.ReplaceAll(script.String(), "8080", port)), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("bash", path)
	cmd.Dir = t.TempDir()
	cmd.Env = append(cleanEnvironment(), "SHARED="+shared, "TMPDIR="+t.TempDir(), "HOME="+t.TempDir())
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}
