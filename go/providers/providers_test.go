package providers_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"skidbladnir.dev/skidbladnir/providers"
)

func TestTheEmbeddedFilesAreThoseOfTheProtocol(t *testing.T) {
	for _, name := range []string{"providers.schema.json", "presets.yaml"} {
		shared, err := os.ReadFile(filepath.Join("..", "..", "proto", name))
		if err != nil {
			t.Fatal(err)
		}
		own, err := os.ReadFile(filepath.Join("data", name))
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(shared, own) {
			t.Errorf("data/%s differs from proto/%s", name, name)
		}
	}
}

func TestAnHeirHasWhatItDoesNotSayFromItsParentAndTheDefaults(t *testing.T) {
	known, err := providers.Parse([]byte(`
defaults: {retry: {max_retries: 1}}
providers:
  near: {timeout: {timeout_ms: 5}, cache: null}
  far: {extend: near, timeout: {mode: abandon}}
`))
	if err != nil {
		t.Fatal(err)
	}
	config, err := known.Provider("far")
	if err != nil {
		t.Fatal(err)
	}
	text, err := json.Marshal(config)
	if err != nil {
		t.Fatal(err)
	}
	for _, part := range []string{
		`"max_retries":1`, `"timeout":{"mode":"abandon","timeout_ms":5}`, `"cache":null`, `"max_concurrent_calls":10`,
	} {
		if !strings.Contains(string(text), part) {
			t.Errorf("%s is missing in %s", part, text)
		}
	}
}

func TestAllFaultsAreListedInTheOrderOfTheirLines(t *testing.T) {
	_, err := providers.Parse([]byte("providers:\n  a:\n    retry: {max_retries: -1, jitter: much}\n  b: {extend: c}\n"))
	var file *providers.FileError
	if !errors.As(err, &file) {
		t.Fatalf("the error is %v, want a FileError", err)
	}
	want := []struct {
		code, path string
		line       int
	}{
		{"enum", "providers.a.retry.jitter", 3},
		{"range", "providers.a.retry.max_retries", 3},
		{"unknown_extend", "providers.b.extend", 4},
	}
	if len(file.Faults) != len(want) {
		t.Fatalf("the faults are\n%v", file)
	}
	for i, fault := range file.Faults {
		if fault.Code != want[i].code || fault.Path != want[i].path || fault.Line != want[i].line {
			t.Errorf("fault %d is %v, want %v", i, fault, want[i])
		}
	}
}

func TestAnUnknownProviderIsAnErrorThatListsTheKnown(t *testing.T) {
	_, err := providers.Presets().Provider("nobody")
	if !errors.Is(err, providers.ErrUnknownProvider) || !strings.Contains(err.Error(), "qtest, zephyr") {
		t.Errorf("the error is %v", err)
	}
}
