//go:build linux

package main

import (
	"io"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"teikyo/database/dbtest"
)

// fakeSudo runs a command as another user, or as it is.
const fakeSudo = `#!/bin/sh
[ "$1" = -u ] || exec "$@"
user=$2
shift 2
exec setpriv --reuid "$user" --regid "$user" --clear-groups "$@"
`

// fakeSystemctl does what the page asks of systemd: it reads the program, its
// arguments and the user from the unit, starts it and waits until it is ready.
const fakeSystemctl = `#!/bin/sh
verb=$1
shift
[ "$1" != --now ] || { verb=start; shift; }
unit=$1
file=/etc/systemd/system/${unit%%@*}.service instance=
case $unit in *@*) file=/etc/systemd/system/${unit%%@*}@.service instance=${unit#*@} ;; esac
run=$RUN/$unit
stop() {
	kill "$(cat "$run.pid")"
	while kill -0 "$(cat "$run.pid")" 2>/dev/null; do sleep 0.05; done
}
start() {
	set -- $(sed -n "s/^ExecStart=//p" "$file" | sed "s/%i/$instance/")
	user=$(sed -n "s/^User=//p" "$file")
	: >"$run.log"
	setsid setpriv --reuid "$user" --regid "$user" --clear-groups "$@" 2>"$run.log" >/dev/null </dev/null &
	echo $! >"$run.pid"
	for i in $(seq 600); do
		! grep -q '^ready ' "$run.log" || return 0
		kill -0 "$(cat "$run.pid")" || break
		sleep 0.05
	done
	cat "$run.log" >&2
	return 1
}
case $verb in
start) start ;;
stop) stop ;;
restart) stop && start ;;
*) exit 1 ;;
esac
`

// emptyMachine hides the folders that the page writes to, in a name space of its
// own, and then runs the page.
const emptyMachine = `set -eu
mount -t tmpfs tmpfs /srv
mount -t tmpfs tmpfs /mnt
mount -t tmpfs tmpfs /usr/local/bin
layer=$(mktemp -d)
mount -t tmpfs tmpfs "$layer"
mkdir "$layer/upper" "$layer/work"
mount -t overlay overlay -o "lowerdir=/etc,upperdir=$layer/upper,workdir=$layer/work" /etc
mkdir -p /etc/systemd/system
trap 'for pid in "$RUN"/*.pid; do kill -9 "$(cat "$pid")" 2>/dev/null || true; done; umount /etc "$layer"; rmdir "$layer"' EXIT
bash -euo pipefail -x "$1"
`

// The life that the page for operators describes is lived, command by command.
func TestOperationsPageRuns(t *testing.T) {
	t.Parallel()
	tools(t, "bash", "curl", "jq", "setpriv", "setsid", "useradd", "unshare", "mount")
	if os.Geteuid() != 0 {
		t.Skip("the page makes an account and folders of the machine: that takes root")
	}
	if out, err := exec.Command("unshare", "-m", "mount", "-t", "tmpfs", "tmpfs", t.TempDir()).CombinedOutput(); err != nil {
		t.Skipf("this machine does not let root mount in a name space: %v %s", err, out)
	}
	dir := t.TempDir()
	for at := dir; at != os.TempDir() && at != "/"; at = filepath.Dir(at) {
		if err := os.Chmod(at, 0o755); err != nil { // the account of the page goes through it
			t.Fatal(err)
		}
	}
	run := filepath.Join(dir, "run")
	cmd := exec.CommandContext(t.Context(), "unshare", "-m", "--propagation", "private", "bash", "-c", emptyMachine, "machine", writeScripts(t, dir, run))
	cmd.Dir = dir
	cmd.Env = append(cleanEnvironment(), "PATH="+filepath.Join(dir, "fake")+":"+os.Getenv("PATH")+":/usr/local/bin:/usr/sbin:/sbin", "RUN="+run, "DB="+reachable(t, dbtest.Postgres(t)))
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, tail(string(out), 6<<10))
	}
	if info, err := os.Stat(filepath.Join(dir, "certificate.json")); err != nil || info.Size() == 0 {
		t.Errorf("the page did not come to its end: %v", err)
	}
}

// writeScripts puts the program, the unit and what stands for sudo and systemctl
// into dir, and gives the script of the page.
func writeScripts(t *testing.T, dir, run string) string {
	t.Helper()
	var script strings.Builder
	for _, block := range regexp.MustCompile("(?s)\n```sh\n(.*?\n)```\n").FindAllStringSubmatch(pages(t)["operations.md"], -1) {
		script.WriteString(block[1])
	}
	text := script.String()
	for _, port := range []string{"8080", "8081"} {
		text = strings.ReplaceAll(text, "127.0.0.1:"+port, "127.0.0.1:"+unusedPort(t))
	}
	unit, err := os.ReadFile("../../packaging/teikyo.service")
	if err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{
		"page.sh": text, "teikyo.service": string(unit), "fake/sudo": fakeSudo, "fake/systemctl": fakeSystemctl, "run/.made": "",
	} {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	copyProgram(t, filepath.Join(dir, "teikyo"))
	return filepath.Join(dir, "page.sh")
}

// copyProgram puts the program of this test, as the command teikyo, there.
func copyProgram(t *testing.T, to string) {
	t.Helper()
	program, err := exec.LookPath("teikyo")
	if err != nil {
		t.Fatal(err)
	}
	from, err := os.Open(program)
	if err != nil {
		t.Fatal(err)
	}
	defer from.Close()
	out, err := os.OpenFile(to, os.O_CREATE|os.O_WRONLY, 0o755)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.Copy(out, from); err != nil {
		t.Fatal(err)
	}
	if err := out.Close(); err != nil {
		t.Fatal(err)
	}
}

func unusedPort(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	_, port, err := net.SplitHostPort(l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	return port
}

// reachable lets every account come to the socket of the database.
func reachable(t *testing.T, database string) string {
	t.Helper()
	u, err := url.Parse(database)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(u.Query().Get("host"), 0o755); err != nil {
		t.Fatal(err)
	}
	return database
}
