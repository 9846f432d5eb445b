package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"teikyo/client"
)

// house is a server in a process of its own, built from this tree, with the
// people and the recipient that a provision needs. The people use the command
// line, the measured calls go through the API.
type house struct {
	b       *bench
	env     []string // settings of the server
	dir     string
	program string
	process *exec.Cmd
	said    *bytes.Buffer
	base    string // address
	server  *client.Client
	alice   person // administrator, approves
	mori    person // manager, asks

	recipient, key, public string // id, fingerprint, age public key
	agreement              string
}

// person has a configuration folder and an API token of their own.
type person struct{ name, home string }

// openHouse builds and starts a server with the settings, NAME=VALUE, and lets the
// people in.
func openHouse(ctx context.Context, b *bench, settings ...string) (*house, error) {
	dir, err := os.MkdirTemp(b.dir, "house")
	if err != nil {
		return nil, err
	}
	h, err := buildHouse(ctx, b, dir, settings...)
	if err != nil {
		return nil, err
	}
	if err := h.start(ctx); err != nil {
		return nil, err
	}
	if err := h.settle(ctx); err != nil {
		return nil, errors.Join(err, h.close())
	}
	return h, nil
}

// buildHouse builds the program of a server whose files are in dir.
func buildHouse(ctx context.Context, b *bench, dir string, settings ...string) (*house, error) {
	h := &house{b: b, env: settings, dir: dir, program: filepath.Join(dir, "teikyo")}
	h.alice, h.mori = h.person("alice"), h.person("mori")
	b.say("building and starting a server …")
	build := exec.CommandContext(ctx, "go", "build", "-o", h.program, "teikyo/cmd/teikyo")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("go build: %w\n%s", err, out)
	}
	return h, nil
}

// start runs the server and waits until it says that it is ready.
func (h *house) start(ctx context.Context) error {
	h.process = exec.CommandContext(ctx, h.program, "serve", "--data", filepath.Join(h.dir, "data"), "--listen", "127.0.0.1:0")
	h.process.Env = append(append(os.Environ(), "TEIKYO_LINKS_ALLOW_UNBOUND=true"), h.env...)
	out, err := h.process.StderrPipe()
	if err != nil {
		return err
	}
	if err := h.process.Start(); err != nil {
		return err
	}
	h.said = &bytes.Buffer{}
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		if address, ok := strings.CutPrefix(lines.Text(), "ready "); ok {
			h.base = address
			h.server = &client.Client{Base: address, HTTP: longCalls()}
			go func() {
				for lines.Scan() { // or the server would block
				}
			}()
			return nil
		}
		fmt.Fprintln(h.said, lines.Text())
	}
	return fmt.Errorf("the server ended: %w\n%s", h.process.Wait(), h.said)
}

// stop ends the server in order.
func (h *house) stop() error {
	if err := h.process.Process.Signal(syscall.SIGTERM); err != nil {
		return err
	}
	return h.process.Wait()
}

// close stops the server and frees the disk.
func (h *house) close() error { return errors.Join(h.stop(), os.RemoveAll(h.dir)) }

// settle brings in the people, the recipient and the public notice.
func (h *house) settle(ctx context.Context) error {
	steps := []func(context.Context) error{h.people, h.organisation, h.recipientKey, h.notice}
	for _, step := range steps {
		if err := step(ctx); err != nil {
			return err
		}
	}
	return nil
}

func (h *house) person(name string) person { return person{name, filepath.Join(h.dir, name)} }

func (h *house) people(ctx context.Context) error {
	password, err := h.write("password", "correct horse battery staple")
	if err != nil {
		return err
	}
	_, err = h.as(ctx, h.alice, "", "setup", "--code-file", filepath.Join(h.dir, "data", "setup-code"),
		"--email", "alice@example.jp", "--name", "Alice", "--password-file", password)
	if err != nil {
		return err
	}
	return h.invite(ctx, h.mori, "manager")
}

func (h *house) invite(ctx context.Context, p person, role string, more ...string) error {
	email, password := p.name+"@example.jp", filepath.Join(h.dir, "password")
	user, err := h.as(ctx, h.alice, "", append([]string{"user", "create", "--email", email, "--name", p.name, "--role", role}, more...)...)
	if err != nil {
		return err
	}
	if _, err := h.as(ctx, p, text(user, "code"), "user", "accept", "--code-file", "-", "--password-file", password); err != nil {
		return err
	}
	_, err = h.as(ctx, p, "", "login", "--email", email, "--password-file", password)
	return err
}

func (h *house) organisation(ctx context.Context) error {
	r, err := h.as(ctx, h.mori, "", "recipient", "apply", "--name", "Bench University", "--country", "JP", "--address", "Tokyo",
		"--representative", "Sato", "--email", "office@bench.example")
	if err != nil {
		return err
	}
	h.recipient = text(r, "id")
	if _, err := h.as(ctx, h.alice, "", "recipient", "approve", h.recipient, "--until", day(300), "--reason", "bench"); err != nil {
		return err
	}
	contract, err := h.write("contract.pdf", "%PDF-1.7")
	if err != nil {
		return err
	}
	h.agreement = "A-1"
	_, err = h.as(ctx, h.mori, "", "agreement", "add", h.recipient, "--number", h.agreement, "--document", contract, "--purpose", "research",
		"--method", "download", "--class", "anonymized", "--from", day(-1), "--until", day(200), "--handler", "Sato", "--place", "Tokyo")
	return err
}

func (h *house) recipientKey(ctx context.Context) error {
	sato := h.person("sato")
	if err := h.invite(ctx, sato, "recipient", "--recipient", h.recipient); err != nil {
		return err
	}
	identity := filepath.Join(h.dir, "identity")
	made, err := h.as(ctx, sato, "", "keygen", "-o", identity)
	if err != nil {
		return err
	}
	h.public, h.key = text(made, "public"), text(made, "fingerprint")
	public, err := h.write("identity.pub", h.public)
	if err != nil {
		return err
	}
	added, err := h.as(ctx, sato, "", "recipient", "key", "add", h.recipient, "--public-file", public, "--holder", "Sato", "--expires", day(100))
	if err != nil {
		return err
	}
	if _, err := h.as(ctx, sato, "", "recipient", "key", "prove", h.recipient, text(added, "id"), "-i", identity); err != nil {
		return err
	}
	_, err = h.as(ctx, h.alice, "", "recipient", "key", "approve", h.recipient, text(added, "id"))
	return err
}

func (h *house) notice(ctx context.Context) error {
	_, err := h.as(ctx, h.mori, "", "notice", "publish", "--class", "anonymized", "--item", "demographics", "--method", "download")
	return err
}

// as runs the program as one of the people and reads its JSON.
func (h *house) as(ctx context.Context, p person, stdin string, args ...string) (map[string]any, error) {
	cmd := exec.CommandContext(ctx, h.program, append(args, "--json")...)
	cmd.Env = append(os.Environ(), "TEIKYO_CONFIG_DIR="+p.home, "TEIKYO_SERVER="+h.base)
	cmd.Stdin = strings.NewReader(stdin)
	var said, words bytes.Buffer
	cmd.Stdout, cmd.Stderr = &said, &words
	if err := cmd.Run(); err != nil {
		return nil, fmt.Errorf("teikyo %s: %w\n%s%s", strings.Join(args, " "), err, &said, &words)
	}
	var answer map[string]any
	if said.Len() == 0 {
		return nil, nil
	}
	if err := json.Unmarshal(said.Bytes(), &answer); err != nil {
		return nil, fmt.Errorf("teikyo %s: %w", strings.Join(args, " "), err)
	}
	return answer, nil
}

// api calls the server with a person's token.
func (h *house) api(p person) (*client.Client, error) {
	var credentials struct{ Token string }
	words, err := os.ReadFile(filepath.Join(p.home, "credentials.json"))
	if err != nil {
		return nil, err
	}
	api := *h.server
	err = json.Unmarshal(words, &credentials)
	api.Token = credentials.Token
	return &api, err
}

func (h *house) write(name, words string) (string, error) {
	path := filepath.Join(h.dir, name)
	return path, os.WriteFile(path, []byte(words), 0o600)
}

// peakMemory is the largest resident set of the server's process so far, in MB.
func (h *house) peakMemory() (int, error) {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", h.process.Process.Pid))
	if err != nil {
		return 0, err
	}
	_, rest, _ := strings.Cut(string(status), "VmHWM:")
	kB, err := strconv.Atoi(strings.Fields(rest + " 0")[0])
	return kB >> 10, err
}

func text(answer map[string]any, field string) string {
	s, _ := answer[field].(string)
	return s
}

func day(days int) string { return time.Now().AddDate(0, 0, days).Format(time.DateOnly) }
