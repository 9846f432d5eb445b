package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// duckdb reads every field of a CSV file as text, on all cores, each time a line
// comes in, and prints the seconds.
const duckdb = `
const { createRequire } = require("node:module")
const { DuckDBInstance } = createRequire(process.argv[2] + "/")("@duckdb/node-api")
async function main() {
	const db = await (await DuckDBInstance.create(":memory:")).connect()
	console.log("ready")
	for await (const _ of require("node:readline").createInterface({ input: process.stdin })) {
		const start = process.hrtime.bigint()
		await db.run("SELECT count(COLUMNS(*)) FROM read_csv('" + process.argv[3] + "', all_varchar = true, header = true)")
		console.log(Number(process.hrtime.bigint() - start) / 1e9)
	}
}
main()
`

// deidPart compares the gate with DuckDB, which reads the same table and looks for
// nothing, and measures the transformation of it.
func deidPart(ctx context.Context, b *bench) error {
	program := filepath.Join(b.dir, "teikyo")
	if out, err := exec.CommandContext(ctx, "go", "build", "-o", program, "teikyo/cmd/teikyo").CombinedOutput(); err != nil {
		return fmt.Errorf("go build: %w\n%s", err, out)
	}
	size := pick(b, int64(1<<30), 32<<20)
	source := filepath.Join(b.dir, "wide.csv")
	if err := makeFile(source, size, 1, wideClaims); err != nil {
		return err
	}
	b.out.table("De-identification of a table of 40 columns")
	check := &measuredRun{program: program, args: []string{"dataset", "check", "--quiet", "--json", source}, passing: 3}
	if err := b.againstDuckDB(ctx, source, size, check); err != nil {
		return err
	}
	if err := b.transformed(ctx, program, source, size); err != nil {
		return err
	}
	return os.Remove(source)
}

func (b *bench) againstDuckDB(ctx context.Context, source string, size int64, check *measuredRun) error {
	peer, err := startDuckDB(ctx, b, source)
	if err != nil {
		return err
	}
	defer peer.stop()
	d, err := fight(pick(b, 5, 1), peer.read, func() (time.Duration, error) { return check.run(ctx) })
	if err != nil {
		return err
	}
	what := fmt.Sprintf("check of %d MiB of CSV by jp-policy; peer: DuckDB reads it as text", size>>20)
	b.out.duel(what, d, rate(size), 0)
	b.out.line("— the check alone", "—", rate(size)(d.ours), "—", "≥ 200 MB/s: "+met(perSecond(size, d.ours) >= 200))
	b.out.line("— its memory, peak", "—", fmt.Sprintf("%d MB", check.peak>>20), "—", "≤ 256 MB: "+met(check.peak <= 256<<20))
	return nil
}

func (b *bench) transformed(ctx context.Context, program, source string, size int64) error {
	out := filepath.Join(b.dir, "changed")
	apply := &measuredRun{program: program, passing: 3, args: []string{
		"deid", "apply", "--quiet", "--domain", "bench", "--destroy-key", "-o", out, source,
	}}
	var times []time.Duration
	for range pick(b, 3, 1) {
		took, err := apply.run(ctx)
		if err != nil {
			return err
		}
		times = append(times, took)
		if err := os.RemoveAll(out); err != nil {
			return err
		}
	}
	took := median(times)
	b.out.line("deid apply of the same, with the check of the result, fsync", "—", rate(size)(took), "—",
		"≥ 100 MB/s: "+met(perSecond(size, took) >= 100))
	b.out.line("— its memory, peak", "—", fmt.Sprintf("%d MB", apply.peak>>20), "—", "≤ 256 MB: "+met(apply.peak <= 256<<20))
	return nil
}

func perSecond(size int64, took time.Duration) float64 { return float64(size) / 1e6 / took.Seconds() }

// measuredRun runs the program and remembers its peak of memory.
type measuredRun struct {
	program string
	args    []string
	passing int   // an exit code beside 0 that is no failure
	peak    int64 // bytes
}

func (m *measuredRun) run(ctx context.Context) (time.Duration, error) {
	cmd := exec.CommandContext(ctx, m.program, m.args...)
	var words strings.Builder
	cmd.Stderr = &words
	took, err := timed(cmd.Run)
	if exit := (*exec.ExitError)(nil); errors.As(err, &exit) && exit.ExitCode() == m.passing {
		err = nil
	}
	if err != nil {
		return 0, fmt.Errorf("teikyo %s: %w\n%s", m.args[0], err, words.String())
	}
	if usage, ok := cmd.ProcessState.SysUsage().(*syscall.Rusage); ok {
		m.peak = max(m.peak, usage.Maxrss<<10)
	}
	return took, nil
}

// duck is a running DuckDB.
type duck struct {
	cmd *exec.Cmd
	in  io.WriteCloser
	out *bufio.Scanner
}

// startDuckDB needs npm's @duckdb/node-api in TEST_TOOLS or dist/tools.
func startDuckDB(ctx context.Context, b *bench, source string) (*duck, error) {
	tools := os.Getenv("TEST_TOOLS")
	if tools == "" {
		tools, _ = filepath.Abs("dist/tools")
	}
	if _, err := os.Stat(filepath.Join(tools, "node_modules", "@duckdb", "node-api")); err != nil {
		return nil, fmt.Errorf("DuckDB is missing: npm install --prefix %s @duckdb/node-api", tools)
	}
	script := filepath.Join(b.dir, "duckdb.cjs")
	if err := os.WriteFile(script, []byte(duckdb), 0o600); err != nil {
		return nil, err
	}
	d := &duck{cmd: exec.CommandContext(ctx, "node", script, tools, source)}
	d.cmd.Stderr = b.log
	in, err := d.cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	out, err := d.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	d.in, d.out = in, bufio.NewScanner(out)
	if err := d.cmd.Start(); err != nil {
		return nil, err
	}
	if !d.out.Scan() {
		return nil, errors.Join(errors.New("DuckDB did not start"), d.cmd.Wait())
	}
	return d, nil
}

func (d *duck) read() (time.Duration, error) {
	if _, err := fmt.Fprintln(d.in); err != nil {
		return 0, err
	}
	if !d.out.Scan() {
		return 0, errors.New("DuckDB ended")
	}
	took, err := strconv.ParseFloat(d.out.Text(), 64)
	return time.Duration(took * float64(time.Second)), err
}

func (d *duck) stop() {
	_ = d.in.Close()
	_ = d.cmd.Wait()
}

// wideClaims is about n bytes of an invented table of 40 columns that the gate
// lets pass: month of birth, codes, dates, amounts, names of drugs in Japanese.
func wideClaims(w io.Writer, n int64, seed uint64) error {
	out := bufio.NewWriterSize(w, 1<<20)
	random := rand.New(rand.NewPCG(seed, 2))
	header := "保険者番号,生年月,性別,診療年月,傷病名コード,薬品名,診療開始日,単価"
	for i := range 32 {
		header += fmt.Sprintf(",項目%d", i+9)
	}
	written, err := fmt.Fprintln(out, header)
	for left := n - int64(written); left > 0 && err == nil; left -= int64(written) {
		written, err = out.WriteString(wideRow(random))
	}
	if err != nil {
		return err
	}
	return out.Flush()
}

func wideRow(random *rand.Rand) string {
	drugs := []string{"アムロジピン錠５ｍｇ「サワイ」", "ロキソプロフェン", "Amlodipine 5 mg", "ムコダイン錠500mg"}
	row := fmt.Appendf(nil, "06132013,19%02d-%02d,%d,202304,8839%03d,%s,2023-%02d-%02d,%d.%d", 40+random.IntN(59), 1+random.IntN(12),
		1+random.IntN(2), random.IntN(1000), drugs[random.IntN(len(drugs))], 1+random.IntN(12), 1+random.IntN(28), random.IntN(1000), random.IntN(10))
	for i := range 32 {
		switch i % 4 {
		case 0:
			row = fmt.Appendf(row, ",%d", 110000000+random.IntN(90000000))
		case 1:
			row = fmt.Appendf(row, ",%d", random.IntN(10000))
		case 2:
			row = fmt.Appendf(row, ",A%03d", random.IntN(100))
		default:
			row = append(row, ',')
		}
	}
	return string(append(row, '\n'))
}
