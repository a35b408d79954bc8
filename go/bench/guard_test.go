package bench

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"golang.org/x/perf/benchfmt"
	"golang.org/x/tools/cover"
)

var update = flag.Bool("update", false, "write the costs to "+baselineFile)

const (
	baselineFile = "testdata/costs.json"
	tolerance    = 1.1
)

// costs are what one call takes, by name, in numbers that come out the same on a busy machine: how many statements of the
// package run, how often it takes a lock, changes a shared number and reads the clock, and what is allocated.
type costs map[string]float64

// dear are what counts by itself, because it takes longer than other statements, and how it is written.
var dear = map[string]*regexp.Regexp{
	"locks":  regexp.MustCompile(`\.Lock\(\)`),
	"swaps":  regexp.MustCompile(`\.(CompareAndSwap|Swap)\(`),
	"clocks": regexp.MustCompile(`time\.(Now|Since|Until)\(`),
}

// guarded are the benchmarks of ours whose costs must not grow.
var guarded = []string{
	"case=breaker/impl=" + ours,
	"case=bulkhead/impl=" + ours,
	"case=retry/impl=" + ours,
	"case=timeout/impl=" + ours,
	"case=stack-of-three/impl=" + ours,
	"case=stack-of-four/impl=" + ours,
	"case=stack-of-four/impl=" + facade,
	"case=cache-hit/impl=" + facade,
	"case=cache-miss/impl=" + facade,
	"case=cache-stale-hit/impl=" + facade,
	"case=breaker-rejection/impl=" + ours,
	"case=bulkhead-rejection/impl=" + ours,
	"case=retry-three-failures/impl=" + ours,
	"case=window-count-10/impl=" + ours,
	"case=window-count-100000/impl=" + ours,
	"case=window-time-10-buckets/impl=" + ours,
}

func TestCallsCostNoMoreThanTheBaseline(t *testing.T) {
	folder := t.TempDir()
	program := filepath.Join(folder, "bench.test")
	build := exec.Command("go", "test", "-c", "-covermode=count", "-coverpkg=skidbladnir.dev/skidbladnir", "-o", program, ".")
	if output, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, output)
	}
	measured := map[string]costs{}
	for _, name := range guarded {
		measured[name] = measureCosts(t, program, name, filepath.Join(folder, "profile"))
	}
	if *update {
		encoded := must(json.MarshalIndent(measured, "", "  "))
		if err := os.WriteFile(baselineFile, append(encoded, '\n'), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	var baseline map[string]costs
	if err := json.Unmarshal(must(os.ReadFile(baselineFile)), &baseline); err != nil {
		t.Fatal(err)
	}
	for _, name := range guarded {
		was, known := baseline[name]
		if !known {
			t.Errorf("%s has no baseline; write it with: go test -run Baseline -update", name)
		}
		for what, is := range measured[name] {
			if is > was[what]*tolerance {
				t.Errorf("%s takes %v %s a call; the baseline is %v", name, is, what, was[what])
			}
		}
	}
}

// measureCosts takes the difference of two runs, so that what is done once is not part of it.
func measureCosts(t *testing.T, program, name, profile string) costs {
	t.Helper()
	const calls = 2000
	few, _ := runCounted(t, program, name, profile, calls)
	many, result := runCounted(t, program, name, profile, 2*calls)
	all := costs{}
	for what, count := range many {
		all[what] = math.Round((count-few[what])/calls*10) / 10
	}
	all["allocations"], _ = result.Value("allocs/op")
	all["bytes"], _ = result.Value("B/op")
	return all
}

// runCounted runs a benchmark for a number of calls, and counts what ran.
func runCounted(t *testing.T, program, name, profile string, calls int) (costs, *benchfmt.Result) {
	t.Helper()
	command := exec.Command(program, "-test.run=^$", "-test.cpu=1", "-test.coverprofile="+profile,
		"-test.bench="+pattern(name), fmt.Sprintf("-test.benchtime=%dx", calls))
	output, err := command.CombinedOutput()
	if err != nil {
		t.Fatalf("%s: %v: %s", name, err, output)
	}
	var result *benchfmt.Result
	reader := benchfmt.NewReader(bytes.NewReader(output), name)
	for reader.Scan() {
		if one, ok := reader.Result().(*benchfmt.Result); ok {
			result = one.Clone()
		}
	}
	if result == nil || result.Iters != calls {
		t.Fatalf("%s did not run %d times: %s", name, calls, output)
	}
	all := costs{}
	for _, file := range must(cover.ParseProfiles(profile)) {
		source := must(os.ReadFile(filepath.Join("..", filepath.Base(file.FileName))))
		lines := strings.Split(string(source), "\n")
		for _, block := range file.Blocks {
			all["statements"] += float64(block.NumStmt * block.Count)
			text := textOf(lines, block)
			for what, written := range dear {
				all[what] += float64(len(written.FindAllString(text, -1)) * block.Count)
			}
		}
	}
	return all, result
}

// textOf is the source of a block.
func textOf(lines []string, block cover.ProfileBlock) string {
	if block.StartLine == block.EndLine {
		return lines[block.StartLine-1][block.StartCol-1 : block.EndCol-1]
	}
	text := slices.Clone(lines[block.StartLine-1 : block.EndLine])
	text[0] = text[0][block.StartCol-1:]
	last := len(text) - 1
	text[last] = text[last][:block.EndCol-1]
	return strings.Join(text, "\n")
}

// pattern selects one benchmark, of whichever function.
func pattern(name string) string {
	folder, leaf := filepath.Split(name)
	return "./^" + filepath.Clean(folder) + "$/^" + leaf + "$"
}
