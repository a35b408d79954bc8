package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

func TestScheduleSaysThePhaseAtEachTimeAndRepeats(t *testing.T) {
	s, err := parseSchedule("healthy:4s, failing:1s,recovering:2s")
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		elapsed  time.Duration
		name     string
		progress float64
	}{
		{0, healthy, 0},
		{3 * time.Second, healthy, 0.75},
		{4 * time.Second, failing, 0},
		{6 * time.Second, recovering, 0.5},
		{7 * time.Second, healthy, 0},
		{74500 * time.Millisecond, failing, 0.5},
	} {
		if name, progress := s.at(test.elapsed); name != test.name || progress != test.progress {
			t.Errorf("after %v: %s, %v of it over; want %s, %v", test.elapsed, name, progress, test.name, test.progress)
		}
	}
	if again, err := parseSchedule(s.String()); err != nil || again.String() != s.String() {
		t.Errorf("%v is read as %v, %v", s, again, err)
	}
}

func TestBadScheduleIsRefusedWithWhatIsAllowed(t *testing.T) {
	for text, want := range map[string]string{
		"":               "no such phase",
		"sleepy:2s":      "there are healthy, failing",
		"healthy":        "needs a duration",
		"healthy:0s":     "greater than 0",
		"healthy:2":      "as in healthy:2s",
		"healthy:1s,,":   "no such phase",
		"failing:-1s":    "greater than 0",
		"healthy:1s:2s":  "needs a duration",
		"stalling:1s x2": "needs a duration",
	} {
		if _, err := parseSchedule(text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: the error is %v; want %q", text, err, want)
		}
	}
}

// serving starts a server that stays in one phase.
func serving(t *testing.T, name string) (*server, string) {
	t.Helper()
	s := newServer(schedule{{name, time.Hour}}, 0, time.Minute)
	web := httptest.NewServer(s.handler())
	t.Cleanup(web.Close)
	return s, web.URL
}

func status(t *testing.T, url string) map[string]any {
	t.Helper()
	response, err := http.Get(url + "/-/status")
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	var counts map[string]any
	if err := json.NewDecoder(response.Body).Decode(&counts); err != nil {
		t.Fatal(err)
	}
	return counts
}

func TestHealthyAnswersAndFailingSays503(t *testing.T) {
	for name, want := range map[string]int{healthy: http.StatusOK, failing: http.StatusServiceUnavailable} {
		_, url := serving(t, name)
		response, err := http.Get(url + "/anything")
		if err != nil {
			t.Fatal(err)
		}
		body, _ := io.ReadAll(response.Body)
		_ = response.Body.Close()
		if response.StatusCode != want || (name == healthy) != (string(body) == "ok") {
			t.Errorf("%s: %d %q", name, response.StatusCode, body)
		}
	}
}

func TestResettingIsAConnectionResetForTheClient(t *testing.T) {
	_, url := serving(t, resetting)
	_, err := http.Get(url)
	if !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("the error is %v", err)
	}
	if counts := status(t, url); counts["reset"] == 0.0 {
		t.Errorf("counted: %v", counts)
	}
}

func TestStallingLastsUntilTheClientGivesUp(t *testing.T) {
	_, url := serving(t, stalling)
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	request, _ := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if _, err := http.DefaultClient.Do(request); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("the error is %v", err)
	}
	for status(t, url)["running"] != 0.0 { // else the test never ends
		time.Sleep(time.Millisecond)
	}
}

func TestRecoveringAnswersEverMoreOften(t *testing.T) {
	s, url := serving(t, recovering)
	answered := func(progress float64) (count int) {
		s.startedAt(time.Now().Add(-time.Duration(progress * float64(time.Hour))))
		for range 100 {
			response, err := http.Get(url)
			if err != nil {
				t.Fatal(err)
			}
			_ = response.Body.Close()
			if response.StatusCode == http.StatusOK {
				count++
			}
		}
		return count
	}
	if early, late := answered(0.1), answered(0.9); early >= 50 || late <= 50 {
		t.Errorf("answered early %d, late %d of 100", early, late)
	}
}

func TestStartBeginsScheduleAndCountsAnew(t *testing.T) {
	s, url := serving(t, failing)
	s.schedule = schedule{{failing, time.Minute}, {healthy, time.Hour}}
	if _, err := http.Get(url); err != nil {
		t.Fatal(err)
	}
	s.startedAt(time.Now().Add(-2 * time.Minute))
	if counts := status(t, url); counts["phase"] != healthy || counts["failed"] != 1.0 {
		t.Errorf("before: %v", counts)
	}
	response, err := http.Post(url+"/-/start", "", nil)
	if err != nil || response.StatusCode != http.StatusNoContent {
		t.Fatal(response, err)
	}
	if counts := status(t, url); counts["phase"] != failing || counts["failed"] != 0.0 {
		t.Errorf("after: %v", counts)
	}
}

// As the load tests use it: a process that says where it listens, and ends with its standard input.
func TestProgramListensOnLoopbackAndEndsWithItsInput(t *testing.T) {
	program := filepath.Join(t.TempDir(), "server")
	if out, err := exec.Command("go", "build", "-o", program, ".").CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	command := exec.Command(program, "-schedule", "healthy:1h")
	command.Stderr = os.Stderr
	input, _ := command.StdinPipe()
	output, _ := command.StdoutPipe()
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	address, err := bufio.NewReader(output).ReadString('\n')
	if err != nil || !strings.HasPrefix(address, "http://127.0.0.1:") {
		t.Fatalf("it said %q, %v", address, err)
	}
	if counts := status(t, strings.TrimSpace(address)); counts["phase"] != healthy {
		t.Errorf("status: %v", counts)
	}
	_ = input.Close()
	if err := command.Wait(); err != nil {
		t.Errorf("it ended with %v", err)
	}
	if out, err := exec.Command(program, "-schedule", "sleepy:1s").CombinedOutput(); err == nil || !strings.Contains(string(out), "no such phase") {
		t.Errorf("a bad schedule: %v, %s", err, out)
	}
}
