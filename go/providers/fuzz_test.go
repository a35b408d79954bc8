package providers_test

import (
	"errors"
	"testing"

	"skidbladnir.dev/skidbladnir"
	"skidbladnir.dev/skidbladnir/providers"
)

// FuzzParse: whatever a file says, it is read, or refused with a list of faults; and what is read makes facades.
func FuzzParse(f *testing.F) {
	for _, file := range []string{
		"",
		"providers: {}",
		"providers:\n  a: {extend: zephyr, cache: null}\n",
		"defaults: {retry: {max_retries: 1}}\nproviders: {a: {circuit_breaker: {window: {kind: count, size: 5}}}}",
		"providers: {a: {extend: b}, b: {extend: a}}",
		"providers: {a: {retry: {retryable_errors: [x, /y/, {regex: '('}]}}}",
		"providers: {a: &x {}, b: *x}",
		"providers: {a: !!map {}}\n---\n",
		"[[[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]]]",
		"providers: {a: {timeout: {timeout_ms: .nan}}}",
		"? [a]\n: b",
		"%YAML 1.2\n---\nproviders: {}",
		"\xff",
	} {
		f.Add([]byte(file))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		known, err := providers.Parse(data)
		if err != nil {
			var file *providers.FileError
			if !errors.As(err, &file) || len(file.Faults) == 0 {
				t.Fatalf("an error that lists no faults: %v", err)
			}
			for _, fault := range file.Faults {
				if fault.Code == "" || fault.Line < 1 {
					t.Errorf("a fault without a code or a line: %+v", fault)
				}
			}
			return
		}
		for _, name := range known.Names() {
			config, err := known.Provider(name)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := config.MarshalJSON(); err != nil {
				t.Error(err)
			}
			if _, err := skidbladnir.NewResilienceFacade[string](config.Options()); err != nil {
				t.Errorf("a file without faults makes no facade: %v", err)
			}
		}
	})
}
