package main

import (
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// A few seconds of the real thing, at a rate that any machine gives.
func TestEveryCallIsAccountedForAndTheLimitHolds(t *testing.T) {
	program := filepath.Join(t.TempDir(), "server")
	build := exec.Command("go", "build", "-o", program, ".")
	build.Dir = "server"
	if output, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, output)
	}
	const rate = 300
	r, err := run(settings{
		server: program, duration: 6 * time.Second, rate: rate,
		schedule: "healthy:500ms,failing:300ms,stalling:400ms,resetting:300ms,recovering:300ms",
	})
	if err != nil {
		t.Fatal(err)
	}
	var table strings.Builder
	r.print(&table)
	t.Log(table.String())
	for _, fault := range r.faults() {
		t.Error(fault)
	}
	for _, each := range r.Runs {
		if want := int64(each.Seconds * rate * 0.9); each.Issued < want {
			t.Errorf("%s: %d calls were issued; open-loop it would be at least %d", each.Name, each.Issued, want)
		}
		if each.Outcomes[outcomeOK] == 0 {
			t.Errorf("%s: no call was answered", each.Name)
		}
	}
	if guarded := r.Runs[1]; guarded.Outcomes["circuit_open"] == 0 {
		t.Errorf("the circuit never opened: %v", guarded.Outcomes)
	}
}

func TestFaultsAreFound(t *testing.T) {
	flat := []sample{{Bytes: 1 << 20}, {Bytes: 8 << 20}, {Bytes: 9 << 20}, {Bytes: 8 << 20}}
	good := runResult{Name: "good", Issued: 5, Outcomes: map[string]int64{outcomeOK: 3, "timeout": 2}, Highest: slots, Memory: flat}
	lost, crowded, growing := good, good, good
	lost.Issued = 6
	crowded.Highest = slots + 1
	growing.Memory = append(flat[:3:3], sample{Bytes: 20 << 20}, sample{Bytes: 21 << 20}, sample{Bytes: 20 << 20})
	for _, test := range []struct {
		run  runResult
		want string
	}{
		{good, ""},
		{lost, "6 calls were issued, 5 are accounted for"},
		{crowded, "65 calls ran at once"},
		{growing, "memory grew"},
	} {
		faults := (&result{Limit: slots, Runs: []runResult{test.run}}).faults()
		if test.want == "" && len(faults) > 0 || test.want != "" && (len(faults) != 1 || !strings.Contains(faults[0].Error(), test.want)) {
			t.Errorf("found %v; want %q", faults, test.want)
		}
	}
}
