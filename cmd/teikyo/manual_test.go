package main

import (
	"maps"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/spf13/cobra"

	"teikyo/config"
)

// pages are what people read, seen from this folder.
func pages(t *testing.T) map[string]string {
	t.Helper()
	paths, err := filepath.Glob("../../docs/*.md")
	if err != nil {
		t.Fatal(err)
	}
	texts := map[string]string{}
	for _, path := range append(paths, "../../README.md") {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		texts[filepath.Base(path)] = string(text)
	}
	return texts
}

var (
	commandLine = regexp.MustCompile(`(?m)^(?: {4,}|\$ )(?:sudo [^|\n]*?\| )?(?:sudo -u teikyo )?teikyo (.*)$`)
	inlineCode  = regexp.MustCompile("`teikyo ([^`]+)`")
	quotedText  = regexp.MustCompile(`"[^"]*"|'[^']*'`)
)

// commandsOf are the calls of the program that a page shows.
func commandsOf(text string) []string {
	text = strings.ReplaceAll(text, "\\\n", " ")
	var calls []string
	for _, found := range append(commandLine.FindAllStringSubmatch(text, -1), inlineCode.FindAllStringSubmatch(text, -1)...) {
		call := quotedText.ReplaceAllString(found[1], "TEXT")
		call, _, _ = strings.Cut(call, " #")
		call, _, _ = strings.Cut(call, " > ")
		call, _, _ = strings.Cut(call, " | ")
		calls = append(calls, strings.Join(strings.Fields(call), " "))
	}
	return calls
}

// Every command and flag that a page shows exists.
func TestPagesShowCommandsThatExist(t *testing.T) {
	t.Parallel()
	root := (&cli{}).rootCommand()
	root.InitDefaultHelpCmd()
	root.InitDefaultCompletionCmd()
	seen := 0
	for page, text := range pages(t) {
		for _, call := range commandsOf(text) {
			seen++
			if wrong := wrongCall(root, call); wrong != "" {
				t.Errorf("%s: teikyo %s: %s", page, call, wrong)
			}
		}
	}
	if seen < 50 {
		t.Errorf("only %d calls were found in the pages", seen)
	}
	for call, want := range map[string]string{
		"user disable X --reason R": "--reason", "user vanish X": "vanish", "serve -z": "-z", "request list": "",
	} {
		if got := wrongCall(root, call); want == "" && got != "" || !strings.Contains(got, want) {
			t.Errorf("%s: got %q", call, got)
		}
	}
}

// wrongCall says what of a call the program does not know, empty when nothing.
func wrongCall(root *cobra.Command, call string) string {
	cmd, words := root, strings.Fields(call)
	for len(words) > 0 {
		next := slices.IndexFunc(cmd.Commands(), func(c *cobra.Command) bool { return c.Name() == words[0] })
		if next < 0 {
			break
		}
		cmd, words = cmd.Commands()[next], words[1:]
	}
	cmd.InitDefaultHelpFlag()
	for i, word := range words {
		name, _, _ := strings.Cut(strings.TrimLeft(word, "-"), "=")
		switch {
		case i == 0 && cmd.HasSubCommands() && !strings.HasPrefix(word, "-"):
			return "there is no " + word
		case strings.HasPrefix(word, "--") && cmd.Flag(name) == nil,
			strings.HasPrefix(word, "-") && !strings.HasPrefix(word, "--") && word != "-" && !hasShorthand(cmd, name):
			return "there is no flag " + word
		}
	}
	return ""
}

func hasShorthand(cmd *cobra.Command, name string) bool {
	return len(name) == 1 && (cmd.Flags().ShorthandLookup(name) != nil || cmd.InheritedFlags().ShorthandLookup(name) != nil)
}

// The page for operators names every metric of ours, and every check of /readyz.
func TestOperationsNamesWhatToWatch(t *testing.T) {
	t.Parallel()
	s := newStopped(t, config.Config{})
	defer s.app.close()
	text := pages(t)["operations.md"]
	for _, check := range s.app.Ready(t.Context()).Checks {
		if !strings.Contains(text, "| `"+check.Name+"` |") {
			t.Errorf("the check %s is not explained", check.Name)
		}
	}
	s.app.metrics.observe("GET", "/healthz", 200, 1, 1)
	handler, err := s.app.metricsHandler()
	if err != nil {
		t.Fatal(err)
	}
	w := httptest.NewRecorder()
	handler.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), "GET", "/metrics", nil))
	got, want := map[string]bool{}, map[string]bool{}
	for _, found := range regexp.MustCompile(`(?m)^# TYPE (teikyo_\w+)`).FindAllStringSubmatch(w.Body.String(), -1) {
		want[found[1]] = true
	}
	for _, found := range regexp.MustCompile("(?m)^\\| `(teikyo_\\w+)`").FindAllStringSubmatch(text, -1) {
		got[found[1]] = true
	}
	if len(want) == 0 || !maps.Equal(got, want) {
		t.Errorf("metrics explained: %v, there are %v", slices.Sorted(maps.Keys(got)), slices.Sorted(maps.Keys(want)))
	}
}

// The examples of the page for programmers work, one after the other.
func TestAPIPageRuns(t *testing.T) {
	t.Parallel()
	if runtime.GOOS != "linux" {
		t.Skip("the examples use GNU tools")
	}
	tools(t, "bash", "curl", "jq", "openssl", "age", "age-keygen", "awk")
	var script strings.Builder
	for _, block := range regexp.MustCompile("(?s)\n```sh\n(.*?\n)```\n").FindAllStringSubmatch(pages(t)["api.md"], -1) {
		script.WriteString(block[1])
	}
	s := startServer(t, config.Config{Links: config.Links{AllowUnbound: true}, Issuer: config.Issuer{Origin: "example.jp"}})
	cmd := exec.CommandContext(t.Context(), "bash", "-euo", "pipefail", "-c", script.String())
	cmd.Dir = t.TempDir()
	cmd.Env = append(os.Environ(), "S="+s.URL(), "DATA="+s.app.folder.Root())
	out, err := cmd.CombinedOutput()
	if err != nil || !strings.Contains(string(out), `"kind":"provision.issued"`) {
		t.Fatalf("%v\n%s", err, out)
	}
	s.check()
}
