package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const text = `goos: linux
BenchmarkMemory/memory=per-breaker/impl=skidbladnir-2 1 100 ns/op 352.4 bytes/each
round: 0
BenchmarkCalls/case=breaker/impl=skidbladnir-2 10 90 ns/op 50 cpu-ns/op 0 B/op 0 allocs/op
BenchmarkCalls/case=breaker/impl=gobreaker-2 10 900 ns/op 200 cpu-ns/op 0 B/op 0 allocs/op
BenchmarkCalls/case=breaker/impl=failsafe-go-2 10 900 ns/op 100 cpu-ns/op 16 B/op 3 allocs/op
BenchmarkCalls/case=breaker/impl=bare-2 10 9 ns/op 4 cpu-ns/op 0 B/op 0 allocs/op
BenchmarkContention/case=contended-breaker/impl=skidbladnir 10 90 ns/op 50 cpu-ns/op 0 B/op 0 allocs/op
BenchmarkContention/case=contended-breaker/impl=skidbladnir-8 10 90 ns/op 60 cpu-ns/op 0 B/op 0 allocs/op
BenchmarkContention/case=contended-breaker/impl=gobreaker 10 90 ns/op 100 cpu-ns/op 0 B/op 0 allocs/op
BenchmarkContention/case=contended-breaker/impl=gobreaker-8 10 90 ns/op 150 cpu-ns/op 0 B/op 0 allocs/op
round: 1
BenchmarkCalls/case=breaker/impl=skidbladnir-2 10 90 ns/op 60 cpu-ns/op 0 B/op 0 allocs/op
BenchmarkCalls/case=breaker/impl=gobreaker-2 10 900 ns/op 200 cpu-ns/op 0 B/op 0 allocs/op
BenchmarkCalls/case=breaker/impl=failsafe-go-2 10 900 ns/op 300 cpu-ns/op 16 B/op 3 allocs/op
BenchmarkCalls/case=breaker/impl=bare-2 10 9 ns/op 4 cpu-ns/op 0 B/op 0 allocs/op
`

func parsed(t *testing.T, text string) (*measured, error) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "text")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return read(path)
}

func TestRatiosAreToTheBetterPeerOfTheSameRound(t *testing.T) {
	all, err := parsed(t, text)
	if err != nil {
		t.Fatal(err)
	}
	breaker := all.ratios("breaker", "a breaker", againstPeers)
	mine := breaker.Results[0].(callResult)
	if mine.Min != 0.3 || mine.Median != 0.4 || mine.Max != 0.5 || mine.NS != 55 || mine.ElapsedNS != 90 || !mine.Ours {
		t.Errorf("ours: %+v", mine)
	}
	theirs := breaker.Results[2].(callResult)
	if theirs.Name != "failsafe-go" || theirs.Min != 1 || theirs.Max != 1.5 || theirs.Allocs != 3 || theirs.Ours {
		t.Errorf("theirs: %+v", theirs)
	}
	if breaker.BareNS != 4 || len(breaker.Results) != 3 {
		t.Errorf("the case: %+v", breaker)
	}
	if all.memory["per-breaker"]["skidbladnir"] != 352.4 {
		t.Errorf("memory: %v", all.memory)
	}
}

func TestContentionIsReadByTheNumberOfGoroutines(t *testing.T) {
	all, err := parsed(t, text)
	if err != nil {
		t.Fatal(err)
	}
	if mine := all.ratios("contended-breaker-8", "", nil).Results[0].(callResult); mine.Median != 0.4 {
		t.Errorf("8 goroutines: %+v", mine)
	}
	if mine := all.ratios("contended-breaker-1", "", nil).Results[0].(callResult); mine.Median != 0.5 {
		t.Errorf("1 goroutine: %+v", mine)
	}
}

func TestUnknownBenchmarksAreNotPassedOver(t *testing.T) {
	for name, bad := range map[string]string{
		"a name": "round: 0\nBenchmarkOther-2 10 90 ns/op\n",
		"round":  "BenchmarkCalls/case=breaker/impl=skidbladnir-2 10 90 ns/op 50 cpu-ns/op\n",
	} {
		if _, err := parsed(t, bad); err == nil {
			t.Errorf("without %s: no error", name)
		} else if !strings.Contains(err.Error(), "Calls") && !strings.Contains(err.Error(), "Other") {
			t.Errorf("without %s: %v", name, err)
		}
	}
}
