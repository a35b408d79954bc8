package main

import (
	"io"
	"os"
	"strings"
	"testing"
)

func TestTheReadmeShowsThisProgramme(t *testing.T) {
	source, err := os.ReadFile("main.go")
	if err != nil {
		t.Fatal(err)
	}
	readme, err := os.ReadFile("../../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	_, body, _ := strings.Cut(string(source), "package main\n")
	if !strings.Contains(string(readme), "```go\npackage main\n"+body+"```\n") {
		t.Error("the Go quickstart of README.md is not examples/quickstart/main.go")
	}
}

func TestItPrintsTheEventsAndTheAnswer(t *testing.T) {
	read, write, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout := os.Stdout
	os.Stdout = write
	main()
	os.Stdout = stdout
	if err := write.Close(); err != nil {
		t.Fatal(err)
	}
	printed, err := io.ReadAll(read)
	if err != nil {
		t.Fatal(err)
	}
	expected := "cache_miss\ncall_admitted\nretry_scheduled\ncall_succeeded\nAda <nil>\n"
	if string(printed) != expected {
		t.Errorf("printed %q, not %q", printed, expected)
	}
}
