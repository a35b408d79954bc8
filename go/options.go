package skidbladnir

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// Set gives an option its value. Options whose default is not zero are pointers, so that zero can mean zero (GN-16): nil
// is "not given".
//
//	skidbladnir.RetryOptions{MaxRetries: skidbladnir.Set(0)}
func Set[V any](value V) *V { return &value }

// Codes of faults in a configuration (PF-7), as far as options have them.
const (
	CodeType       = "type"
	CodeRange      = "range"
	CodeEnum       = "enum"
	CodeUnknownKey = "unknown_key"
	CodeRequired   = "required"
	CodeRegex      = "regex"
	CodeConflict   = "conflict"
)

// ConfigurationError says that an option is not allowed (GN-16).
type ConfigurationError struct {
	// Code is one of PF-7.
	Code string
	// Path is the option's, by its name in provider files: "circuit_breaker.window.size".
	Path string
	// Value is what was given; of a duration, its milliseconds.
	Value any
	// Allowed says in words what could be given.
	Allowed string
}

func (e *ConfigurationError) Error() string {
	return fmt.Sprintf("%s: %v is not allowed: %s", e.Path, e.Value, e.Allowed)
}

// maximum is the greatest number, and the greatest duration in milliseconds, that an option takes.
const maximum = 1<<31 - 1

// checker collects the first fault of a set of options.
type checker struct {
	err error
}

func (c *checker) fail(code, path string, value any, allowed string) {
	if c.err == nil {
		c.err = &ConfigurationError{Code: code, Path: path, Value: value, Allowed: allowed}
	}
}

// or is the value given, or else its default.
func or[V any](given *V, value V) V {
	if given != nil {
		return *given
	}
	return value
}

func (c *checker) integer(path string, value, least, most int) int {
	if value < least || value > most {
		c.fail(CodeRange, path, value, fmt.Sprintf("%d to %d", least, most))
	}
	return value
}

// duration checks a duration against a least number of milliseconds.
func (c *checker) duration(path string, value time.Duration, least int) time.Duration {
	if value < time.Duration(least)*time.Millisecond || value > maximum*time.Millisecond {
		c.fail(CodeRange, path, milliseconds(value), fmt.Sprintf("%d to %d ms", least, maximum))
	}
	return value
}

// number checks a number; written so that NaN fails too.
func (c *checker) number(path string, value, least, most float64) float64 {
	if !(value >= least && value <= most) {
		c.fail(CodeRange, path, value, fmt.Sprintf("%v to %v", least, most))
	}
	return value
}

// rate checks a number above 0 and up to 1.
func (c *checker) rate(path string, value float64) float64 {
	if !(value > 0 && value <= 1) {
		c.fail(CodeRange, path, value, "above 0 to 1")
	}
	return value
}

// word checks one of a few words; the first of them is the default.
func word[W ~string](c *checker, path string, value W, allowed ...W) W {
	if value == "" {
		return allowed[0]
	}
	if !slices.Contains(allowed, value) {
		words := make([]string, len(allowed))
		for i, each := range allowed {
			words[i] = string(each)
		}
		c.fail(CodeEnum, path, value, "one of "+strings.Join(words, ", "))
	}
	return value
}

// milliseconds is a duration in milliseconds, as an IEEE double.
func milliseconds(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }

// wholeMilliseconds is a number of milliseconds as a duration, truncated.
func wholeMilliseconds(ms float64) time.Duration { return time.Duration(int64(ms)) * time.Millisecond }

// ceilMilliseconds is a duration in whole milliseconds, rounded up.
func ceilMilliseconds(d time.Duration) int64 {
	return int64((d + time.Millisecond - 1) / time.Millisecond)
}
