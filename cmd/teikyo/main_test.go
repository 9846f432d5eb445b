package main

import (
	"bufio"
	"bytes"
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
	_ "modernc.org/sqlite"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"teikyo": main})
}

// TestScripts runs the stories in testdata/script. Beside what testscript has,
// they know:
//
//	server NAME [ARG…]      start teikyo serve ARG… and wait until it is ready;
//	                        TEIKYO_SERVER is its address
//	halt NAME · crash NAME  end it by SIGTERM (exit 0) or SIGKILL
//	exits CODE PROG ARG…    run a program that must end with that code
//	field VAR PATH          take a field of the JSON on standard output (a.b.0.c)
//	sql DB STATEMENT        change a database behind the server's back
//	copy FROM TO            copy a folder with its modes, sockets left out
func TestScripts(t *testing.T) {
	t.Parallel()
	stories, err := filepath.Glob("testdata/script/*.txtar")
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range stories { // testscript's own stop would end a story there, as passed
		if text, err := os.ReadFile(path); err != nil || strings.Contains(string(text), "\nstop") {
			t.Fatalf("%s: %v; write halt, not stop", path, err)
		}
	}
	testscript.Run(t, testscript.Params{
		Dir: "testdata/script",
		Setup: func(env *testscript.Env) error {
			env.Setenv("TEIKYO_CONFIG_DIR", filepath.Join(env.WorkDir, "config"))
			env.Setenv("PASSWORD", "correct horse battery staple")
			env.Values[serversKey{}] = map[string]*process{}
			return nil
		},
		Cmds: map[string]func(ts *testscript.TestScript, neg bool, args []string){
			"server": scriptServer, "halt": scriptHalt, "crash": scriptCrash, "exits": scriptExits,
			"field": scriptField, "sql": scriptSQL, "copy": scriptCopy,
		},
		RequireUniqueNames: true,
	})
}

type serversKey struct{}

// process is a server that a story started.
type process struct {
	cmd    *exec.Cmd
	ready  chan string // its address
	ended  chan error
	mu     sync.Mutex
	stderr bytes.Buffer
}

// Write keeps what the server says.
func (p *process) Write(b []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.stderr.Write(b)
}

func (p *process) said() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.stderr.String()
}

// startProcess starts a server and gives its address once it is ready.
func startProcess(cmd *exec.Cmd) (*process, string, error) {
	p := &process{cmd: cmd, ready: make(chan string, 1), ended: make(chan error, 1)}
	out, err := cmd.StderrPipe()
	if err != nil {
		return nil, "", err
	}
	if err := cmd.Start(); err != nil {
		return nil, "", err
	}
	go func() {
		lines := bufio.NewScanner(io.TeeReader(out, p))
		for lines.Scan() {
			if address, ok := strings.CutPrefix(lines.Text(), "ready "); ok {
				p.ready <- address
			}
		}
		p.ended <- cmd.Wait()
	}()
	select {
	case address := <-p.ready:
		return p, address, nil
	case err := <-p.ended:
		return nil, "", fmt.Errorf("the server ended: %v\n%s", err, p.said())
	case <-time.After(time.Minute):
		_ = cmd.Process.Kill()
		return nil, "", fmt.Errorf("the server is not ready after a minute\n%s", p.said())
	}
}

func (p *process) end(sig os.Signal) error {
	if err := p.cmd.Process.Signal(sig); err != nil {
		return err
	}
	return <-p.ended
}

func scriptServer(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 1 {
		ts.Fatalf("usage: server NAME [ARG…]")
	}
	program, err := exec.LookPath("teikyo")
	ts.Check(err)
	servers := ts.Value(serversKey{}).(map[string]*process)
	listen := "127.0.0.1:0"
	if before := ts.Getenv("TEIKYO_SERVER"); len(servers) == 0 && before != "" { // tokens and links are for that address
		listen = strings.TrimPrefix(before, "http://")
	}
	cmd := exec.Command(program, append([]string{"serve", "--listen", listen}, args[1:]...)...)
	cmd.Dir = ts.MkAbs(".")
	cmd.Env = append(os.Environ(), "TEIKYO_CONFIG_DIR="+ts.Getenv("TEIKYO_CONFIG_DIR"))
	p, address, err := startProcess(cmd)
	ts.Check(err)
	servers[args[0]] = p
	ts.Setenv("TEIKYO_SERVER", address)
	ts.Defer(func() { // a story that failed leaves it running
		_ = cmd.Process.Kill()
		ts.Check(os.WriteFile(ts.MkAbs(args[0]+".log"), []byte(p.said()), 0o600))
	})
}

// leaving is a server that the story ends now.
func leaving(ts *testscript.TestScript, name string) *process {
	servers := ts.Value(serversKey{}).(map[string]*process)
	p := servers[name]
	if p == nil {
		ts.Fatalf("no server %s runs", name)
	}
	delete(servers, name)
	return p
}

func scriptHalt(ts *testscript.TestScript, neg bool, args []string) {
	p := leaving(ts, args[0])
	if err := p.end(syscall.SIGTERM); err != nil {
		ts.Fatalf("the server %s ended with %v\n%s", args[0], err, p.said())
	}
	ts.Check(os.WriteFile(ts.MkAbs(args[0]+".log"), []byte(p.said()), 0o600))
}

func scriptCrash(ts *testscript.TestScript, neg bool, args []string) {
	p := leaving(ts, args[0])
	if err := p.end(os.Kill); err == nil {
		ts.Fatalf("the server %s ended by itself", args[0])
	}
}

func scriptExits(ts *testscript.TestScript, neg bool, args []string) {
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	err = ts.Exec(args[1], args[2:]...)
	got := 0
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		got = exit.ExitCode()
	} else {
		ts.Check(err)
	}
	if got != want {
		ts.Fatalf("%s: exit %d, want %d\n%s%s", strings.Join(args[1:], " "), got, want, ts.ReadFile("stdout"), ts.ReadFile("stderr"))
	}
}

func scriptField(ts *testscript.TestScript, neg bool, args []string) {
	var v any
	if err := json.Unmarshal([]byte(ts.ReadFile("stdout")), &v); err != nil {
		ts.Fatalf("standard output is no JSON: %v", err)
	}
	for part := range strings.SplitSeq(args[1], ".") {
		switch x := v.(type) {
		case map[string]any:
			v = x[part]
		case []any:
			i, err := strconv.Atoi(part)
			if err != nil || i >= len(x) {
				ts.Fatalf("no element %s", part)
			}
			v = x[i]
		default:
			ts.Fatalf("no field %s in %v", part, v)
		}
	}
	if v == nil {
		ts.Fatalf("no field %s", args[1])
	}
	ts.Setenv(args[0], fmt.Sprint(v))
}

func scriptSQL(ts *testscript.TestScript, neg bool, args []string) {
	ts.Check(execSQL(ts.MkAbs(args[0]), args[1]))
}

// execSQL changes a database as somebody could who has the file.
func execSQL(path, statement string) error {
	db, err := sql.Open("sqlite", "file:"+path+"?_pragma=foreign_keys(0)&_pragma=ignore_check_constraints(1)")
	if err != nil {
		return err
	}
	_, err = db.ExecContext(context.Background(), statement)
	return errors.Join(err, db.Close())
}

func scriptCopy(ts *testscript.TestScript, neg bool, args []string) {
	ts.Check(copyFolder(ts.MkAbs(args[0]), ts.MkAbs(args[1])))
}

func copyFolder(from, to string) error {
	return filepath.WalkDir(from, func(path string, entry os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(from, path)
		if err != nil {
			return err
		}
		info, err := entry.Info()
		if err != nil {
			return err
		}
		target := filepath.Join(to, rel)
		switch {
		case info.IsDir():
			return os.MkdirAll(target, info.Mode().Perm())
		case !info.Mode().IsRegular():
			return nil
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		return os.WriteFile(target, text, info.Mode().Perm())
	})
}
