//go:build unix

package disk

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"testing"
	"time"
)

// crashRoot names the root in which a child of this test writes for ever.
const crashRoot = "TEIKYO_TEST_CRASH_ROOT"

func TestMain(m *testing.M) {
	if root := os.Getenv(crashRoot); root != "" {
		writeForEver(root)
	}
	os.Exit(m.Run())
}

// writeForEver puts one object, says so, and then never ends the second.
func writeForEver(root string) {
	s, err := New(root)
	if err == nil {
		err = putString(s, key, "durable")
	}
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	body := io.MultiReader(bytes.NewReader(make([]byte, 1<<20)), readFunc(func(p []byte) (int, error) {
		fmt.Println("writing")
		select {}
	}))
	_, _ = s.Put(context.Background(), "unfinished", body, -1)
}

func TestKilledWhileWriting(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	child := exec.Command(os.Args[0])
	child.Env = append(os.Environ(), crashRoot+"="+root)
	out, err := child.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	line, _ := bufio.NewReader(out).ReadString('\n')
	_ = child.Process.Kill()
	_ = child.Wait()
	if line != "writing\n" {
		t.Fatalf("the child said %q", line)
	}
	checkAfterCrash(t, open(t, root))
}

func checkAfterCrash(t *testing.T, s *Store) {
	t.Helper()
	if got := readString(t, s, key); got != "durable" {
		t.Errorf("read %q", got)
	}
	for obj, err := range s.List(t.Context()) {
		if err != nil || obj.Key != key {
			t.Errorf("List shows %+v, %v", obj, err)
		}
	}
	if n, err := s.Sweep(t.Context(), time.Now().Add(time.Hour)); n != 1 || err != nil {
		t.Errorf("Sweep = %d, %v; want 1, nil", n, err)
	}
	if err := putString(s, "unfinished", "now whole"); err != nil {
		t.Errorf("Put after the crash: %v", err)
	}
}
