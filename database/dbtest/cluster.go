//go:build unix

package dbtest

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"syscall"
	"time"
)

// Cluster is a PostgreSQL server of one test, which may stop and start it.
type Cluster struct {
	bin, dir, port string // port "": reached by its socket alone
	lasting        bool   // a commit is on the disk before it is answered
	owner          *syscall.Credential
	life           io.Closer // when it is closed, or this process ends, the server goes
	guard          *exec.Cmd
}

// guardScript runs the server until its standard input ends, which it also does
// when the test process is killed, and then removes everything.
const guardScript = `"$1"/postgres -D "$2"/data -k "$2" -c max_connections=300 $3 >>"$2"/log 2>&1 &
pid=$!
cat >/dev/null
kill -QUIT $pid 2>/dev/null
wait $pid
[ -e "$2"/keep ] || rm -rf "$2"
`

const startWithin = 30 * time.Second

func newCluster(bin, port string, lasting bool) (*Cluster, error) {
	dir, err := os.MkdirTemp("", "teikyo-pg-") // short: a socket's path has at most 107 bytes
	if err != nil {
		return nil, err
	}
	c := &Cluster{bin: bin, dir: dir, port: port, lasting: lasting}
	if c.owner, err = unprivileged(dir); err != nil {
		return nil, errors.Join(err, os.RemoveAll(dir))
	}
	initdb := c.command("initdb", "-D", filepath.Join(dir, "data"), "-U", "teikyo", "--auth=trust", "--no-sync", "--encoding=UTF8", "--locale=C.UTF-8")
	if out, err := initdb.CombinedOutput(); err != nil {
		return nil, errors.Join(fmt.Errorf("initdb: %w\n%s", err, out), os.RemoveAll(dir))
	}
	return c, c.start()
}

func (c *Cluster) command(program string, args ...string) *exec.Cmd {
	cmd := exec.Command(filepath.Join(c.bin, program), args...)
	cmd.Dir = "/"
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: c.owner}
	return cmd
}

// start starts the server and waits until it takes connections.
func (c *Cluster) start() error {
	listen := "-c listen_addresses="
	if c.port != "" {
		listen = "-h 127.0.0.1 -p " + c.port
	}
	if !c.lasting {
		listen += " -c fsync=off -c full_page_writes=off"
	}
	c.guard = exec.Command("/bin/sh", "-c", guardScript, "guard", c.bin, c.dir, listen)
	c.guard.Dir = "/"
	c.guard.SysProcAttr = &syscall.SysProcAttr{Credential: c.owner, Setpgid: true}
	life, err := c.guard.StdinPipe()
	if err != nil {
		return err
	}
	if err := errors.Join(os.RemoveAll(filepath.Join(c.dir, "keep")), c.guard.Start()); err != nil {
		return err
	}
	c.life = life
	limit, tick := time.After(startWithin), time.NewTicker(20*time.Millisecond)
	defer tick.Stop()
	for {
		if c.command("pg_isready", "-q", "-h", c.dir, "-p", c.socketPort()).Run() == nil {
			return nil
		}
		select {
		case <-tick.C:
		case <-limit:
			log, _ := os.ReadFile(filepath.Join(c.dir, "log"))
			return errors.Join(fmt.Errorf("PostgreSQL does not start:\n%s", log), c.end())
		}
	}
}

// stop ends the server at once and keeps its data.
func (c *Cluster) stop() error {
	keep, err := os.Create(filepath.Join(c.dir, "keep"))
	if err != nil {
		return err
	}
	return errors.Join(keep.Close(), c.end())
}

// end ends the server; unless it is kept, its data goes too.
func (c *Cluster) end() error {
	if c.life == nil {
		return os.RemoveAll(c.dir)
	}
	life := c.life
	c.life = nil
	if err := life.Close(); err != nil {
		return err
	}
	return c.guard.Wait()
}

// URL is that of a database of the cluster.
func (c *Cluster) URL(name string) string {
	if c.port == "" {
		return address(c.dir, name)
	}
	return c.Through("127.0.0.1:"+c.port, name)
}

// Through is the URL of a database behind another address, such as a proxy's.
func (c *Cluster) Through(address, name string) string {
	u := url.URL{Scheme: "postgres", User: url.User("teikyo"), Host: address, Path: "/" + name, RawQuery: "sslmode=disable"}
	return u.String()
}

// Address is HOST:PORT.
func (c *Cluster) Address() string { return "127.0.0.1:" + c.port }

func (c *Cluster) socketPort() string {
	if c.port == "" {
		return "5432"
	}
	return c.port
}

func freePort() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	_, port, err := net.SplitHostPort(l.Addr().String())
	return port, errors.Join(err, l.Close())
}

// unprivileged gives the folder to the account postgres when the tests run as
// root, because PostgreSQL refuses to.
func unprivileged(dir string) (*syscall.Credential, error) {
	if os.Geteuid() != 0 {
		return nil, nil
	}
	account, err := user.Lookup("postgres")
	if err != nil {
		return nil, err
	}
	uid, err1 := strconv.ParseUint(account.Uid, 10, 32)
	gid, err2 := strconv.ParseUint(account.Gid, 10, 32)
	if err := errors.Join(err1, err2); err != nil {
		return nil, err
	}
	return &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}, os.Chown(dir, int(uid), int(gid))
}
