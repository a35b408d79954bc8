package providers_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"skidbladnir.dev/skidbladnir/providers"
)

// PF-6: the catalogue holds codes, paths and lines, this the words for people.
func TestFaultsSayWhatStandsThereAndWhatIsAllowed(t *testing.T) {
	for _, test := range []struct{ name, file, want string }{
		{"too large", strings.Repeat("#", 262145), `line 1: the file: "262145 bytes" is not allowed: at most 262144 bytes (too_large)`},
		{"not UTF-8", "a:\n\n \xff", `line 3: the file: "0xff" is not allowed: UTF-8 (syntax)`},
		{"nothing", "", `line 1: the file: "no document" is not allowed: one document (documents)`},
		{"two documents", "a: 1\n---\nb: 1\n", `line 2: the file: "a second document" is not allowed: one document (documents)`},
		{"a broken second document", "a: 1\n---\n[\n", `line 2: the file: "a second document" is not allowed: one document (documents)`},
		{"an empty second document", "a: 1\n---\n", `line 2: the file: "a second document" is not allowed: one document (documents)`},
		{"no YAML", "a:\n  b: [", `line 2: the file: "did not find expected node content" is not allowed: YAML (syntax)`},
		{"depth", strings.Repeat("[", 17) + strings.Repeat("]", 17), `line 1: the file: "17 levels" is not allowed: at most 16 levels (too_deep)`},
		{"YAML's properties", "a: &b 1\nb: *b\nc: !!str 1\nc: 2\n? [1]\n: 2\n*b : 1\nd: *nobody\n", `
			line 1: a: "&b" is not allowed: no anchors and aliases: use extend (alias)
			line 2: b: "*b" is not allowed: no anchors and aliases: use extend (alias)
			line 3: c: "!!str" is not allowed: no tags (tag)
			line 4: c: "c" is not allowed: each key once (duplicate_key)
			line 5: the file: "a collection as a key" is not allowed: keys that are strings (type)
			line 7: *b: "*b" is not allowed: no anchors and aliases: use extend (alias)
			line 8: d: "*nobody" is not allowed: no anchors and aliases: use extend (alias)`},
		{"aliases", "a: &b 1\nb: *b\n*b : 2\n", `
			line 1: a: "&b" is not allowed: no anchors and aliases: use extend (alias)
			line 2: b: "*b" is not allowed: no anchors and aliases: use extend (alias)
			line 3: *b: "*b" is not allowed: no anchors and aliases: use extend (alias)`},
		{"the schema's", `version: 1
providers:
  a: {extend: b, retry: {max_retries: -1, backoff_factor: 1001, jitter: all, retryable_errors: [5, {}, '/(/']}}
  c: {extend: c}
  d: {extend: e}
  e: {extend: d}
  f: null
`, `
			line 1: version: "version" is not allowed: a key that exists there (unknown_key)
			line 3: providers.a.extend: "b" is not allowed: one of a, c, d, e, f, qtest, zephyr (unknown_extend)
			line 3: providers.a.retry.backoff_factor: 1001 is not allowed: at most 1000 (range)
			line 3: providers.a.retry.jitter: "all" is not allowed: one of [none full equal decorrelated] (enum)
			line 3: providers.a.retry.max_retries: -1 is not allowed: at least 0 (range)
			line 3: providers.a.retry.retryable_errors[0]: 5 is not allowed: string or object (type)
			line 3: providers.a.retry.retryable_errors[1]: map[string]interface {}{} is not allowed: with regex (required)
			line 3: providers.a.retry.retryable_errors[2]: "(" is not allowed: a regular expression of RE2 (error parsing regexp: missing closing ): ` + "`(`" + `) (regex)
			line 4: providers.c.extend: "c" is not allowed: another provider (cyclic_extend)
			line 5: providers.d.extend: "e -> d" is not allowed: no way back to itself (cyclic_extend)
			line 6: providers.e.extend: "d -> e" is not allowed: no way back to itself (cyclic_extend)
			line 7: providers.f: null is not allowed: object (type)`},
		{"of options that exclude each other", `providers:
  a: {circuit_breaker: {window: {kind: time, size: 5, failure_rate: 0}, failure_threshold: 3, reset_timeout_backoff: {max_ms: 5}}}
  b: {circuit_breaker: {slow_call: {duration_ms: 1}}}
  c: {circuit_breaker: {window: {kind: count, size: 5, minimum_calls: 6}}}
`, `
			line 2: providers.a.circuit_breaker.failure_threshold: 3 is not allowed: not with the window time (conflict)
			line 2: providers.a.circuit_breaker.reset_timeout_backoff.max_ms: 5 is not allowed: at least reset_timeout_ms (30000) (range)
			line 2: providers.a.circuit_breaker.window.failure_rate: 0 is not allowed: above 0 (range)
			line 2: providers.a.circuit_breaker.window.size: 5 is not allowed: not with the window time (conflict)
			line 3: providers.b.circuit_breaker.slow_call: map[string]interface {}{"duration_ms":1} is not allowed: only with the windows count and time (conflict)
			line 4: providers.c.circuit_breaker.window.minimum_calls: 6 is not allowed: 1 to size (5) (range)`},
		{"a long value", "'" + strings.Repeat("é", 70) + "'", `line 1: the file: "` + strings.Repeat("é", 56) + `... is not allowed: object (type)`},
		{"a value that just fits", strings.Repeat("x", 58), `line 1: the file: "` + strings.Repeat("x", 58) + `" is not allowed: object (type)`},
	} {
		t.Run(test.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "x.yaml")
			if err := os.WriteFile(path, []byte(test.file), 0o600); err != nil {
				t.Fatal(err)
			}
			lines := strings.Split(strings.ReplaceAll(strings.TrimSpace(test.want), "\t", ""), "\n")
			for source, parse := range map[string]func() error{
				"providers": func() error { _, err := providers.Parse([]byte(test.file)); return err },
				path:        func() error { _, err := providers.Load(path); return err },
			} {
				want := source + ": " + strings.Join(lines, "\n"+source+": ")
				if err := parse(); err == nil || err.Error() != want {
					t.Errorf("the faults are\n%v\nwant\n%s", err, want)
				}
			}
		})
	}
}

func TestFileThatIsNotThereIsTheSystemsError(t *testing.T) {
	_, err := providers.Load(filepath.Join(t.TempDir(), "x.yaml"))
	if !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the error is %v", err)
	}
}

func TestUnknownProviderSaysWhichThereAre(t *testing.T) {
	file, err := providers.Parse([]byte("providers: {zebra: {}, qtest: {}, ant: {}}"))
	if err != nil {
		t.Fatal(err)
	}
	_, err = file.Provider("bee")
	if want := `unknown provider "bee"; known are ant, qtest, zebra, zephyr`; err == nil || err.Error() != want {
		t.Errorf("the error is %v, want %s", err, want)
	}
	if want := "unknown provider"; providers.ErrUnknownProvider.Error() != want {
		t.Errorf("the error to compare with is %v, want %s", providers.ErrUnknownProvider, want)
	}
}

func TestMappingOfAProviderHasWholeNumbers(t *testing.T) {
	file, err := providers.Parse([]byte("providers: {a: {timeout: {timeout_ms: 5}}}"))
	if err != nil {
		t.Fatal(err)
	}
	config, err := file.Provider("a")
	if err != nil {
		t.Fatal(err)
	}
	if value := config.ToMapping()["timeout"].(map[string]any)["timeout_ms"]; value != int64(5) {
		t.Errorf("the value is %#v", value)
	}
}

func TestOptionThatAFacadeDoesNotShowIsPassedOn(t *testing.T) {
	for _, test := range []struct {
		file string
		want bool
	}{{"retry: {retry_rejections: true}", true}, {"retry: {retry_rejections: false}", false}, {"retry: {}", false}} {
		file, err := providers.Parse([]byte("providers: {a: {" + test.file + "}}"))
		if err != nil {
			t.Fatal(err)
		}
		config, err := file.Provider("a")
		if err != nil {
			t.Fatal(err)
		}
		if options := config.Options(); options.Retry.RetryRejections != test.want {
			t.Errorf("%s: %v, want %v", test.file, options.Retry.RetryRejections, test.want)
		}
	}
}
