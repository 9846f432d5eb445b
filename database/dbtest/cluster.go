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
	disk           int64  // bytes of a disk of its own; 0: none
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

// smallScript is guardScript in a name space of file systems where the data folder
// is a disk of $4 bytes that belongs to user $5. As systemd would, it starts the
// server again when it ends by itself.
const smallScript = `mount -t tmpfs -o size=$4,uid=$5,gid=$6,mode=700 tmpfs "$2"/data || exit 1
as="setpriv --reuid=$5 --regid=$6 --clear-groups"
$as "$1"/initdb -D "$2"/data -U teikyo --auth=trust --no-sync --encoding=UTF8 --locale=C.UTF-8 --wal-segsize=1 >>"$2"/log 2>&1 || exit 1
while [ ! -e "$2"/ended ]; do
	$as "$1"/postgres -D "$2"/data -k "$2" -c max_wal_size=4MB -c min_wal_size=2MB $3
	sleep 0.2
done >>"$2"/log 2>&1 &
loop=$!
cat >/dev/null
touch "$2"/ended
kill -QUIT $(head -n 1 "$2"/data/postmaster.pid) 2>/dev/null
wait $loop
`

const startWithin = 30 * time.Second

func newCluster(bin, port string, lasting bool, disk int64) (*Cluster, error) {
	dir, err := os.MkdirTemp("", "teikyo-pg-") // short: a socket's path has at most 107 bytes
	if err != nil {
		return nil, err
	}
	c := &Cluster{bin: bin, dir: dir, port: port, lasting: lasting, disk: disk}
	if c.owner, err = unprivileged(dir); err != nil {
		return nil, errors.Join(err, os.RemoveAll(dir))
	}
	if disk > 0 {
		return c, errors.Join(os.Mkdir(filepath.Join(dir, "data"), 0o700), c.start())
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
	c.guard.SysProcAttr = &syscall.SysProcAttr{Credential: c.owner, Setpgid: true}
	if c.disk > 0 {
		c.guard = exec.Command("unshare", "-m", "/bin/sh", "-c", smallScript, "guard", c.bin, c.dir, listen,
			strconv.FormatInt(c.disk, 10), strconv.Itoa(int(c.owner.Uid)), strconv.Itoa(int(c.owner.Gid)))
		c.guard.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	}
	c.guard.Dir = "/"
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
	err := c.guard.Wait()
	if c.disk > 0 {
		return errors.Join(err, os.RemoveAll(c.dir))
	}
	return err
}

// Data is the folder of the data, from where the tests are.
func (c *Cluster) Data() string {
	data := filepath.Join(c.dir, "data")
	if c.disk > 0 {
		return fmt.Sprintf("/proc/%d/root%s", c.guard.Process.Pid, data)
	}
	return data
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
