package wording

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// commands returns the commands under the heading that begins with from, up to
// the one that begins with to, of one language of a README.
func commands(t *testing.T, text, from, to string) []string {
	t.Helper()
	_, rest, ok := strings.Cut(text, "\n"+from)
	section, _, ok2 := strings.Cut(rest, "\n"+to)
	if !ok || !ok2 {
		t.Fatalf("no section from %q to %q", from, to)
	}
	var found []string
	for line := range strings.SplitSeq(section, "\n") {
		if command, ok := strings.CutPrefix(line, "    "); ok {
			found = append(found, command)
		}
	}
	return found
}

func TestReadmeCommands(t *testing.T) {
	t.Parallel()
	text, err := load(t, "").Readme(readme())
	if err != nil {
		t.Fatal(err)
	}
	en, ja, _ := strings.Cut(text, separator)
	for _, section := range [][3]string{{"A. ", "B. ", "B. "}, {"B. ", "C. ", "C. "}, {"C. ", "IF ANYTHING FAILS", "失敗した場合"}} {
		inEnglish, inJapanese := commands(t, en, section[0], section[1]), commands(t, ja, section[0], section[2])
		if len(inEnglish) < 2 || !slices.Equal(inEnglish, inJapanese) {
			t.Errorf("section %s: %d commands in English, %d in Japanese, or others", section[0], len(inEnglish), len(inJapanese))
		}
		for _, command := range inEnglish {
			if strings.ContainsFunc(command, func(r rune) bool { return r > '~' || r < ' ' }) {
				t.Errorf("%q is not plain ASCII", command)
			}
			if strings.Contains(" "+command, " #") || strings.Contains(command, "!") || strings.Contains(command, " path=") {
				t.Errorf("%q means something else in zsh: comment, history or the variable path", command)
			}
		}
	}
	for _, command := range commands(t, en, "C. ", "IF ANYTHING FAILS") {
		if !strings.HasPrefix(command, "cmd /c ") && strings.ContainsAny(command, "<>|&") {
			t.Errorf("%q: Windows PowerShell 5.1 has no < and changes bytes in > and |", command)
		}
	}
}

func TestReadmeTakesNothingThatAShellWouldRun(t *testing.T) {
	t.Parallel()
	texts := load(t, "")
	line := readme().AllowedSigners[0]
	for _, evil := range []string{"$(id)", "`id`", "'; id; '", "\nid\n", `"; id; "`, "%PATH%", "a b", "", "..\\x", "é"} {
		for name, spoil := range map[string]func(*ReadmeData){
			"origin":        func(d *ReadmeData) { d.Origin = evil },
			"origin, end":   func(d *ReadmeData) { d.Origin += evil + "x" },
			"number":        func(d *ReadmeData) { d.Number = evil },
			"number, end":   func(d *ReadmeData) { d.Number += evil + "/" },
			"signer":        func(d *ReadmeData) { d.AllowedSigners = []string{evil} },
			"signer, end":   func(d *ReadmeData) { d.AllowedSigners = []string{line + evil + " "} },
			"signer, key":   func(d *ReadmeData) { d.AllowedSigners = []string{"hospital.example ssh-ed25519 " + evil} },
			"another name":  func(d *ReadmeData) { d.AllowedSigners = []string{"other.example ssh-ed25519 AAAA"} },
			"class":         func(d *ReadmeData) { d.Class = evil },
			"no signer":     func(d *ReadmeData) { d.AllowedSigners = nil },
			"no issuer":     func(d *ReadmeData) { d.IssuerFingerprint = " " },
			"no key":        func(d *ReadmeData) { d.KeyFingerprint = "" },
			"second signer": func(d *ReadmeData) { d.AllowedSigners = append(d.AllowedSigners, evil) },
		} {
			data := readme()
			data.AllowedSigners = slices.Clone(data.AllowedSigners)
			spoil(&data)
			if text, err := texts.Readme(data); text != "" || !errors.Is(err, ErrData) {
				t.Errorf("%s %q: %v, want ErrData", name, evil, err)
			}
		}
	}
}

// parcel is a parcel made by stock tools only.
type parcel struct {
	dir, home string
	readme    string
	files     map[string]string // opened contents by path
}

// need skips the test when a tool is missing, and fails it where all must run.
func need(t *testing.T, tools ...string) {
	t.Helper()
	for _, tool := range tools {
		if _, err := exec.LookPath(tool); err != nil {
			if os.Getenv("CI") != "" {
				t.Fatalf("%s is not installed", tool)
			}
			t.Skipf("%s is not installed", tool)
		}
	}
}

// run runs a tool and returns its output; dir is its folder.
func run(t *testing.T, dir, tool string, args ...string) string {
	t.Helper()
	cmd := exec.Command(tool, args...)
	cmd.Dir = dir
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%s %q: %v\n%s", tool, args, err, out)
	}
	return string(out)
}

func write(t *testing.T, dir, path, text string) {
	t.Helper()
	full := filepath.Join(dir, path)
	if err := errors.Join(os.MkdirAll(filepath.Dir(full), 0o700), os.WriteFile(full, []byte(text), 0o600)); err != nil {
		t.Fatal(err)
	}
}

func read(t *testing.T, path string) string {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

// hexDigest returns the SHA-256 of text in hex.
func hexDigest(text string) string { return fmt.Sprintf("%x", sha256.Sum256([]byte(text))) }

// makeParcel builds a parcel as DESIGN 4 lays it out.
func makeParcel(t *testing.T) parcel {
	t.Helper()
	need(t, "age", "age-keygen", "ssh-keygen", "sha256sum", "sh")
	base := t.TempDir()
	p := parcel{dir: filepath.Join(base, "the parcel"), home: filepath.Join(base, "home of 田中"), files: map[string]string{
		"adult.csv": "age,sex\n39,M\n", "健診/令和 七年 (最終).csv": "値\n1\n", "-dash": "", "a'b$HOME`id`.txt": "odd name\n",
	}}
	write(t, p.home, "ignored", "")
	key := filepath.Join(p.home, "teikyo-key.txt")
	run(t, base, "age-keygen", "-o", key)
	recipient := strings.TrimSpace(run(t, base, "age-keygen", "-y", key))
	seal := func(path, text string) {
		write(t, base, "plain", text)
		write(t, p.dir, path, "")
		run(t, base, "age", "-r", recipient, "-o", filepath.Join(p.dir, path), "plain")
	}
	sums := ""
	for path, text := range p.files {
		seal("data/"+path+".age", text)
		sums += hexDigest(text) + "  " + path + "\n"
	}
	seal("SHA256SUMS.age", sums)
	p.sign(t, filepath.Join(base, "issuer"))
	return p
}

// sign writes the files that are not sealed, and the signed manifest.
func (p *parcel) sign(t *testing.T, key string) {
	t.Helper()
	run(t, p.dir, "ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "", "-f", key)
	public := strings.TrimSpace(read(t, key+".pub"))
	data := readme()
	data.AllowedSigners = []string{data.Origin + ` namespaces="teikyo-manifest" ` + public}
	var err error
	if p.readme, err = load(t, "").Readme(data); err != nil {
		t.Fatal(err)
	}
	plain := map[string]string{
		"README.txt": p.readme, "NOTICE.txt": "notice\n", "issuer.json": "{}", "datapackage.json": "{}",
		"SHA256SUMS.age": read(t, filepath.Join(p.dir, "SHA256SUMS.age")),
	}
	manifest := `{"files":[`
	for path, text := range plain {
		write(t, p.dir, path, text)
		manifest += fmt.Sprintf(`{"path":"%s","sha256":"%s","size":%d},`, path, hexDigest(text), len(text))
	}
	write(t, p.dir, "manifest.json", strings.TrimSuffix(manifest, ",")+`],"issuer":"hospital.example"}`)
	run(t, p.dir, "ssh-keygen", "-q", "-Y", "sign", "-f", key, "-n", "teikyo-manifest", "manifest.json")
}

// follow does what section B says, word for word, in a shell with the tools of
// path, and returns what it printed.
func (p *parcel) follow(t *testing.T, shell, path string) string {
	t.Helper()
	script := strings.Join(commands(t, p.readme, "B. ", "C. "), "\n")
	cmd := exec.Command(shell, "-c", script)
	cmd.Dir = p.dir
	cmd.Env = []string{"HOME=" + p.home, "PATH=" + path, "LC_ALL=C.UTF-8"}
	out, err := cmd.CombinedOutput()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	return string(out)
}

// listing returns the names of all files below dir.
func listing(t *testing.T, dir string) []string {
	t.Helper()
	var found []string
	err := filepath.WalkDir(dir, func(path string, _ os.DirEntry, err error) error {
		found = append(found, path)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

// checkOpened checks the output and the opened files of an honest parcel.
func (p *parcel) checkOpened(t *testing.T, out string) {
	t.Helper()
	if !strings.Contains(out, `Good "teikyo-manifest" signature for hospital.example`) || strings.Contains(out, "FAILED") {
		t.Errorf("it printed\n%s", out)
	}
	if n := strings.Count(out, ": OK\n"); n != 5+len(p.files) {
		t.Errorf("%d files are OK, want %d:\n%s", n, 5+len(p.files), out)
	}
	for path, want := range p.files {
		if got := read(t, filepath.Join(p.home, "teikyo-2026-0042", "files", path)); got != want {
			t.Errorf("%s holds %q, want %q", path, got, want)
		}
	}
}

func TestReadmeWorksWordForWord(t *testing.T) {
	t.Parallel()
	for _, shell := range []string{"sh", "bash", "zsh"} {
		if _, err := exec.LookPath(shell); err != nil && shell == "zsh" {
			continue // the shell of macOS; the others run the same commands
		}
		t.Run(shell, func(t *testing.T) {
			t.Parallel()
			need(t, shell)
			p := makeParcel(t)
			before := listing(t, p.dir)
			p.checkOpened(t, p.follow(t, shell, os.Getenv("PATH")))
			if after := listing(t, p.dir); !slices.Equal(before, after) {
				t.Errorf("the parcel now holds %q", after)
			}
		})
	}
}

// macOS has shasum where Linux has sha256sum.
func TestReadmeWorksWithShasum(t *testing.T) {
	t.Parallel()
	tools := []string{"sh", "age", "ssh-keygen", "shasum", "perl", "cut", "grep", "mkdir", "dirname"}
	need(t, tools...)
	p := makeParcel(t)
	path := t.TempDir()
	for _, tool := range tools {
		full, err := exec.LookPath(tool)
		if err == nil {
			err = os.Symlink(full, filepath.Join(path, tool))
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	p.checkOpened(t, p.follow(t, "sh", path))
}

func TestReadmeShowsTampering(t *testing.T) {
	t.Parallel()
	const signature = "Could not verify signature"
	tests := map[string]struct {
		tamper func(t *testing.T, dir string)
		told   string
	}{
		"manifest":     {func(t *testing.T, dir string) { replace(t, dir, "manifest.json", "hospital", "hospitaL") }, signature},
		"signature":    {func(t *testing.T, dir string) { write(t, dir, "manifest.json.sig", "") }, signature},
		"notice":       {func(t *testing.T, dir string) { write(t, dir, "NOTICE.txt", "do what you like\n") }, "NOTICE.txt: FAILED"},
		"no issuer":    {func(t *testing.T, dir string) { remove(t, dir, "issuer.json") }, "issuer.json: FAILED"},
		"sums":         {func(t *testing.T, dir string) { swap(t, dir, "SHA256SUMS.age", "data/adult.csv.age") }, "SHA256SUMS.age: FAILED"},
		"swapped data": {func(t *testing.T, dir string) { swap(t, dir, "data/-dash.age", "data/adult.csv.age") }, "adult.csv: FAILED"},
		"missing data": {func(t *testing.T, dir string) { remove(t, dir, "data/adult.csv.age") }, "adult.csv: FAILED"},
		"cut data": {func(t *testing.T, dir string) {
			whole := read(t, filepath.Join(dir, "data/adult.csv.age"))
			write(t, dir, "data/adult.csv.age", whole[:len(whole)-1])
		}, "adult.csv: FAILED"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := makeParcel(t)
			test.tamper(t, p.dir)
			if out := p.follow(t, "sh", os.Getenv("PATH")); !strings.Contains(out, test.told) {
				t.Errorf("it printed\n%s\nwant %s", out, test.told)
			}
		})
	}
}

func replace(t *testing.T, dir, path, old, new string) {
	t.Helper()
	write(t, dir, path, strings.Replace(read(t, filepath.Join(dir, path)), old, new, 1))
}

func remove(t *testing.T, dir, path string) {
	t.Helper()
	if err := os.Remove(filepath.Join(dir, path)); err != nil {
		t.Fatal(err)
	}
}

func swap(t *testing.T, dir, a, b string) {
	t.Helper()
	textA, textB := read(t, filepath.Join(dir, a)), read(t, filepath.Join(dir, b))
	write(t, dir, a, textB)
	write(t, dir, b, textA)
}
