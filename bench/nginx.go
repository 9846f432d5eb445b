package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"
)

// nginxConfig is the configuration of Debian's package where it matters: a
// worker for each core, sendfile and tcp_nopush on; no log of requests, in
// nginx's favour.
const nginxConfig = `daemon off;
worker_processes auto;
worker_rlimit_nofile 8192;
pid %[1]s/nginx.pid;
error_log stderr error;
%[3]s
events { worker_connections 4096; }
http {
	access_log off;
	sendfile on;
	tcp_nopush on;
	types_hash_max_size 2048;
	default_type application/octet-stream;
	client_body_temp_path %[1]s/body;
	proxy_temp_path %[1]s/proxy;
	fastcgi_temp_path %[1]s/fastcgi;
	uwsgi_temp_path %[1]s/uwsgi;
	scgi_temp_path %[1]s/scgi;
	server {
		listen 127.0.0.1:%[2]d;
		root %[1]s/www;
	}
}
`

// nginx is the peer that serves files.
type nginx struct {
	cmd  *exec.Cmd
	dir  string
	base string
}

func startNginx(ctx context.Context, b *bench) (*nginx, error) {
	program, err := exec.LookPath("nginx")
	if err != nil {
		program = "/usr/sbin/nginx"
	}
	dir, err := os.MkdirTemp(b.dir, "nginx")
	if err != nil {
		return nil, err
	}
	if err := os.Mkdir(filepath.Join(dir, "www"), 0o700); err != nil {
		return nil, err
	}
	port, err := freePort()
	if err != nil {
		return nil, err
	}
	user := ""
	if os.Geteuid() == 0 { // or its workers could not read the folder
		user = "user root;"
	}
	config := filepath.Join(dir, "nginx.conf")
	if err := os.WriteFile(config, fmt.Appendf(nil, nginxConfig, dir, port, user), 0o600); err != nil {
		return nil, err
	}
	n := &nginx{dir: dir, base: fmt.Sprintf("http://127.0.0.1:%d", port)}
	n.cmd = exec.CommandContext(ctx, program, "-p", dir, "-c", config)
	n.cmd.Stderr = b.log
	if err := n.cmd.Start(); err != nil {
		return nil, err
	}
	return n, n.wait(port)
}

// wait returns when the port answers.
func (n *nginx) wait(port int) error {
	var err error
	for range 1000 {
		var conn net.Conn
		conn, err = net.DialTimeout("tcp", fmt.Sprintf("127.0.0.1:%d", port), 5*time.Second)
		if err == nil {
			return conn.Close()
		}
		<-time.After(5 * time.Millisecond)
	}
	return fmt.Errorf("nginx does not answer: %w", err)
}

func freePort() (int, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port, nil
}

// hold copies the bytes to where nginx serves them as /file.
func (n *nginx) hold(body io.Reader) error {
	f, err := os.Create(filepath.Join(n.dir, "www", "file"))
	if err != nil {
		return err
	}
	if _, err := io.Copy(f, body); err != nil {
		f.Close()
		return err
	}
	return f.Close()
}

func (n *nginx) stop() {
	_ = n.cmd.Process.Signal(syscall.SIGTERM)
	_ = n.cmd.Wait()
}
