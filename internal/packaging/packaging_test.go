package packaging

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/compose-spec/compose-go/v2/cli"
	"github.com/compose-spec/compose-go/v2/types"
)

const root = "../.."

func read(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(root, path))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// composeProject is docker-compose.yml as compose's own loader and schema read
// it, in a folder where the certificates were made.
func composeProject(t *testing.T) (*types.Project, string) {
	t.Helper()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "docker-compose.yml"), []byte(read(t, "docker-compose.yml")), 0o600); err != nil {
		t.Fatal(err)
	}
	script, err := filepath.Abs(filepath.Join(root, "packaging/compose/certificates.sh"))
	if err != nil {
		t.Fatal(err)
	}
	tool(t, "openssl")
	make := exec.CommandContext(t.Context(), "bash", script, "secrets", "data.example.jp")
	make.Dir = dir
	if out, err := make.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	options, err := cli.NewProjectOptions([]string{filepath.Join(dir, "docker-compose.yml")}, cli.WithWorkingDirectory(dir))
	if err != nil {
		t.Fatal(err)
	}
	project, err := options.LoadProject(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return project, dir
}

// tool skips, or fails with CI=true, when a program of the system is missing.
func tool(t *testing.T, name string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err == nil {
		return path
	}
	if os.Getenv("CI") == "true" {
		t.Fatalf("%s is not installed, and CI=true forbids to skip", name)
	}
	t.Skipf("%s is not installed; scripts/check.sh does", name)
	return ""
}

// The compose file is valid by compose's own schema, and every service is held as
// tightly as it can be.
func TestComposeFile(t *testing.T) {
	t.Parallel()
	project, dir := composeProject(t)
	if names := project.ServiceNames(); !slices.Equal(names, []string{"db", "store", "teikyo"}) {
		t.Fatalf("services %v", names)
	}
	server := project.Services["teikyo"]
	if !server.ReadOnly || server.User != "65532:65532" || !slices.Equal(server.CapDrop, []string{"ALL"}) {
		t.Errorf("the server runs as %q, read-only %v, without %v", server.User, server.ReadOnly, server.CapDrop)
	}
	for name, service := range project.Services {
		if !slices.Contains(service.SecurityOpt, "no-new-privileges:true") || service.Privileged {
			t.Errorf("%s may gain privileges", name)
		}
		if _, outside := service.Networks["outside"]; outside != (name == "teikyo") || (len(service.Ports) > 0) != outside {
			t.Errorf("%s is reachable from outside: %v, ports %v", name, outside, service.Ports)
		}
		for _, volume := range service.Volumes {
			if volume.Type != types.VolumeTypeBind {
				continue
			}
			if _, err := os.Stat(volume.Source); err != nil || !volume.ReadOnly {
				t.Errorf("%s: %v, read-only %v", name, err, volume.ReadOnly)
			}
		}
	}
	if !project.Networks["inside"].Internal {
		t.Error("the network between the services leads outside")
	}
	if store := project.Services["store"]; store.Environment["ROOT_SECRET_ACCESS_KEY"] == nil {
		t.Error("the store has no credentials")
	}
	composeTLS(t, server, dir)
}

// composeTLS wants TLS on both ways, and files where the settings say.
func composeTLS(t *testing.T, server types.ServiceConfig, dir string) {
	t.Helper()
	database, storage := *server.Environment["TEIKYO_DATABASE_URL"], *server.Environment["TEIKYO_STORAGE_URL"]
	if !strings.Contains(database, "sslmode=verify-full") || !strings.Contains(storage, "endpoint=https://") {
		t.Errorf("no TLS: %s, %s", database, storage)
	}
	seen := 0
	for _, path := range regexp.MustCompile(`/run/teikyo/[\w.-]+`).FindAllString(database+" "+storage+" "+*server.Environment["TEIKYO_TLS_CERT"], -1) {
		seen++
		if _, err := os.Stat(filepath.Join(dir, "secrets", strings.TrimPrefix(path, "/run/"))); err != nil {
			t.Error(err)
		}
	}
	if seen < 6 {
		t.Errorf("only %d files are named", seen)
	}
}

// The environment of the image and of the compose file is known to the program.
func TestSettingsExist(t *testing.T) {
	t.Parallel()
	manual := read(t, "docs/operations.md")
	found := regexp.MustCompile(`\bTEIKYO_[A-Z0-9_]+\b`).FindAllString(read(t, "Dockerfile")+read(t, "docker-compose.yml"), -1)
	for _, name := range found {
		if name == "TEIKYO_HOST" || name == "TEIKYO_ORIGIN" { // compose's own, of the shell
			continue
		}
		if !strings.Contains(manual, "| `"+name+"` |") {
			t.Errorf("there is no setting %s", name)
		}
	}
	if len(found) < 10 {
		t.Errorf("only %d settings were found", len(found))
	}
}

// What certificates.sh makes is trusted as the settings want it.
func TestCertificates(t *testing.T) {
	t.Parallel()
	_, dir := composeProject(t)
	ssl := tool(t, "openssl")
	for name, purpose := range map[string]string{
		"teikyo/teikyo": "sslserver", "teikyo/db-client": "sslclient", "db/db": "sslserver", "store/store": "sslserver",
	} {
		path := filepath.Join(dir, "secrets", name)
		out, err := exec.CommandContext(t.Context(), ssl, "verify", "-purpose", purpose, "-CAfile", filepath.Join(dir, "secrets/teikyo/ca.crt"), path+".crt").CombinedOutput()
		if err != nil {
			t.Errorf("%s: %s", name, out)
		}
		if info, err := os.Stat(path + ".key"); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%s.key: %v, %v", name, info.Mode(), err)
		}
	}
}

// The image is empty but for the program, which runs as nobody.
func TestDockerfile(t *testing.T) {
	t.Parallel()
	text := read(t, "Dockerfile")
	_, last, found := strings.Cut(text, "\nFROM scratch\n")
	if !found || !strings.Contains(last, "\nUSER 65532:65532\n") || strings.Contains(last, "RUN ") {
		t.Error("the last stage is not an empty image that runs as nobody")
	}
	if !strings.Contains(text, "CGO_ENABLED=0") || !strings.Contains(text, "-trimpath") {
		t.Error("the program is not static and reproducible")
	}
	goVersion := regexp.MustCompile(`(?m)^go (\d+\.\d+)`).FindStringSubmatch(read(t, "go.mod"))[1]
	if !strings.Contains(text, "FROM golang:"+goVersion+" ") {
		t.Errorf("it is not built with Go %s", goVersion)
	}
}

// The manual shows the unit that the release holds.
func TestManualShowsTheUnit(t *testing.T) {
	t.Parallel()
	_, rest, _ := strings.Cut(read(t, "docs/operations.md"), "```ini\n")
	shown, _, _ := strings.Cut(rest, "```\n")
	if shown != read(t, "packaging/teikyo.service") {
		t.Error("docs/operations.md and packaging/teikyo.service differ")
	}
}

// systemd itself reads the unit and finds it well confined.
func TestUnit(t *testing.T) {
	t.Parallel()
	analyze := tool(t, "systemd-analyze")
	unit := strings.ReplaceAll(read(t, "packaging/teikyo.service"), "/usr/local/bin/teikyo", "/bin/true")
	path := filepath.Join(t.TempDir(), "teikyo.service")
	if err := os.WriteFile(path, []byte(unit), 0o600); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.CommandContext(t.Context(), analyze, "verify", "--man=no", path).CombinedOutput(); err != nil || bytes.Contains(out, []byte("teikyo.service:")) {
		t.Errorf("verify: %v\n%s", err, out)
	}
	// The exposure is from 0 to 10, given to security in tenths: 2.0 at most.
	out, err := exec.CommandContext(t.Context(), analyze, "security", "--offline=true", "--threshold=20", "--no-pager", path).CombinedOutput()
	if err != nil {
		t.Errorf("security: %v\n%s", err, out)
	}
}

// Every script is correct bash.
func TestScripts(t *testing.T) {
	t.Parallel()
	for _, pattern := range []string{"scripts/*.sh", "packaging/*/*.sh"} {
		paths, err := filepath.Glob(filepath.Join(root, pattern))
		if err != nil || len(paths) == 0 {
			t.Fatal(pattern, err)
		}
		for _, path := range paths {
			if out, err := exec.CommandContext(t.Context(), "bash", "-n", path).CombinedOutput(); err != nil {
				t.Errorf("%s: %s", path, out)
			}
		}
	}
}
