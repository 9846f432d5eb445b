package crypto_test

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"teikyo/crypto"
)

// typage opens a file with the second implementation of the format, npm
// age-encryption: identity file, age file, output file.
const typage = `
import { readFileSync, writeFileSync } from "node:fs"
const { Decrypter } = await import(process.argv[2] + "/node_modules/age-encryption/dist/index.js")
const [identity, sealed, opened] = process.argv.slice(3)
const d = new Decrypter()
for (const line of readFileSync(identity, "utf8").split("\n"))
	if (line.startsWith("AGE-SECRET-KEY-")) d.addIdentity(line.trim())
writeFileSync(opened, await d.decrypt(readFileSync(sealed)))
`

// TestOtherProgramsOpenWhatWeSeal gives one payload with our headers to every
// program that reads the format; the tools are what scripts/check.sh installs.
func TestOtherProgramsOpenWhatWeSeal(t *testing.T) {
	t.Parallel()
	plain := randomBytes(t, 3*crypto.ChunkSize+17)
	key := newKey(t)
	payload := seal(t, key, plain, 2*crypto.ChunkSize)
	for _, program := range []struct {
		name   string
		hybrid bool // it knows post-quantum keys
		argv   func(t *testing.T, identity, sealed, opened string) []string
	}{
		{"age", false, func(t *testing.T, identity, sealed, opened string) []string {
			return []string{tool(t, "age"), "-d", "-i", identity, "-o", opened, sealed}
		}},
		{"age 1.3.2", true, func(t *testing.T, identity, sealed, opened string) []string {
			return []string{installed(t, "bin/age-1.3.2"), "-d", "-i", identity, "-o", opened, sealed}
		}},
		{"age-encryption", true, func(t *testing.T, identity, sealed, opened string) []string {
			installed(t, "node_modules/age-encryption")
			script := filepath.Join(t.TempDir(), "open.mjs")
			check(t, os.WriteFile(script, []byte(typage), 0o600))
			return []string{tool(t, "node"), script, toolFolder(t), identity, sealed, opened}
		}},
	} {
		for _, pq := range []bool{false, true} {
			if pq && !program.hybrid {
				continue
			}
			t.Run(program.name+map[bool]string{false: " classic", true: " hybrid"}[pq], func(t *testing.T) {
				t.Parallel()
				who := newPerson(t, pq)
				header, err := crypto.WriteHeader(key, who.rcpt)
				check(t, err)
				dir := t.TempDir()
				identity, sealed, opened := filepath.Join(dir, "identity"), filepath.Join(dir, "file.age"), filepath.Join(dir, "file")
				check(t, os.WriteFile(identity, []byte(who.file), 0o600))
				check(t, os.WriteFile(sealed, append(header, payload...), 0o600))
				argv := program.argv(t, identity, sealed, opened)
				if out, err := exec.CommandContext(t.Context(), argv[0], argv[1:]...).CombinedOutput(); err != nil {
					t.Fatalf("%v: %s", err, out)
				}
				got, err := os.ReadFile(opened)
				check(t, err)
				if !bytes.Equal(got, plain) {
					t.Error("another plaintext came out")
				}
			})
		}
	}
}

// toolFolder is where scripts/check.sh puts the tools that Debian has not.
func toolFolder(t *testing.T) string {
	t.Helper()
	if dir := os.Getenv("TEST_TOOLS"); dir != "" {
		return dir
	}
	dir, err := filepath.Abs("../dist/tools")
	check(t, err)
	return dir
}

// installed finds a tool in that folder; CI must have it.
func installed(t *testing.T, name string) string {
	t.Helper()
	path := filepath.Join(toolFolder(t), name)
	if _, err := os.Stat(path); err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatalf("%s is not installed, and CI=true forbids to skip", name)
		}
		t.Skipf("%s is not installed; scripts/check.sh does", name)
	}
	return path
}
