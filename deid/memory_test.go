package deid_test

import (
	"archive/zip"
	"bufio"
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"testing"

	pq "github.com/parquet-go/parquet-go"

	"teikyo/deid"
)

// memoryFile is set for the process that only checks one file.
const memoryFile = "TEIKYO_TEST_MEMORY_FILE"

// TestMemoryOfOneFile is the process whose memory TestMemory looks at.
func TestMemoryOfOneFile(t *testing.T) {
	name := os.Getenv(memoryFile)
	if name == "" {
		t.Skip("it is run by TestMemory")
	}
	f, err := os.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	r, err := deid.Check(t.Context(), "in", f, deid.DefaultProfile())
	if err != nil || r.Verdict == deid.VerdictBlock || r.Rows < 1_000_000 {
		t.Fatalf("%v\n%.3000s", err, r.Text())
	}
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		t.Fatal(err)
	}
	_, peak, _ := strings.Cut(string(status), "VmHWM:")
	fmt.Printf("peak %s\n", strings.Fields(peak)[0])
}

// TestMemory: a Parquet file of a million rows and a ZIP archive of tables are
// checked within 256 MiB, of the whole process.
func TestMemory(t *testing.T) {
	t.Parallel()
	if runtime.GOOS != "linux" {
		t.Skip("peak memory is read from /proc")
	}
	for name, file := range map[string]string{"parquet": millionRows(t), "zip": zipOfTables(t)} {
		cmd := exec.Command(os.Args[0], "-test.run=^TestMemoryOfOneFile$")
		cmd.Env = append(os.Environ(), memoryFile+"="+file)
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("%s: %v\n%s", name, err, out)
		}
		_, peak, _ := strings.Cut(string(out), "peak ")
		kib, err := strconv.Atoi(strings.Fields(peak + " x")[0])
		if err != nil || kib > 256<<10 {
			t.Errorf("%s: peak %d KiB, %v", name, kib, err)
		}
		t.Logf("%s: %d MiB", name, kib>>10)
	}
}

func millionRows(t *testing.T) string {
	type row struct {
		Insurer string `parquet:"保険者番号,dict"`
		Month   string `parquet:"生年月,dict"`
		Points  int64  `parquet:"点数"`
		Code    string `parquet:"傷病名コード"`
	}
	name := filepath.Join(t.TempDir(), "a.parquet")
	f, err := os.Create(name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	w := pq.NewGenericWriter[row](f, pq.Compression(&pq.Snappy), pq.MaxRowsPerRowGroup(1<<18))
	batch := make([]row, 10_000)
	for i := range 100 {
		for j := range batch {
			n := i*len(batch) + j
			batch[j] = row{"06132013", fmt.Sprintf("19%02d-%02d", 30+n%60, n%12+1), int64(n * 3 % 9973), fmt.Sprintf("8839%03d", n%1000)}
		}
		if _, err := w.Write(batch); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return name
}

func zipOfTables(t *testing.T) string {
	name := filepath.Join(t.TempDir(), "a.zip")
	f, err := os.Create(name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	w := zip.NewWriter(f)
	for i := range 4 {
		e, err := w.Create(fmt.Sprintf("claims%d.csv", i))
		if err != nil {
			t.Fatal(err)
		}
		b := bufio.NewWriter(e)
		fmt.Fprintln(b, "保険者番号,生年月,点数,傷病名コード")
		var line bytes.Buffer
		for n := range 300_000 {
			line.Reset()
			fmt.Fprintf(&line, "06132013,19%02d-%02d,%d,8839%03d\n", 30+n%60, n%12+1, n*7919%100_003, n*31%1000)
			_, _ = b.Write(line.Bytes())
		}
		if err := b.Flush(); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return name
}
