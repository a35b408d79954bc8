package main

import (
	"bytes"
	"strings"
	"testing"
)

// A smoke test with the real clock and real connections.
func TestAnOutageOpensTheCircuitAndRecoveryClosesIt(t *testing.T) {
	var out bytes.Buffer
	if err := play(t.Context(), &out); err != nil {
		t.Fatal(err)
	}
	rest := out.String()
	for _, expected := range []string{
		"# the server answers", "call_succeeded", `=> "answer 1"`,
		"# it is unavailable", "retry_scheduled", "retry_exhausted", "call_failed", `=> "a substitute"`,
		"# it stalls", "timed_out", `=> "a substitute"`,
		"# it resets connections", "retry_scheduled", "circuit_state_changed: CLOSED to OPEN, failure_threshold",
		"# the circuit is open", "call_rejected", "fallback_used", `=> "a substitute"`,
		"# it has recovered", "OPEN to HALF_OPEN", `=> "answer`, "HALF_OPEN to CLOSED", `=> "answer`,
	} {
		_, after, found := strings.Cut(rest, expected)
		if !found {
			t.Fatalf("%q is missing after the lines before it in:\n%s", expected, out.String())
		}
		rest = after
	}
}
