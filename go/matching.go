package skidbladnir

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"regexp"
	"strings"
	"syscall"
	"time"
)

// matcher is a list of patterns over the text of an error (RT-6).
type matcher struct {
	parts   []string
	regexes []*regexp.Regexp
}

func newMatcher(c *checker, path string, patterns []string) *matcher {
	m := &matcher{}
	for i, pattern := range patterns {
		source, isRegex := regexSource(pattern)
		if !isRegex {
			m.parts = append(m.parts, pattern)
			continue
		}
		regex, err := regexp.Compile(source)
		if err != nil {
			c.fail(CodeRegex, fmt.Sprintf("%s[%d]", path, i), source, fmt.Sprintf("a regular expression (%v)", err))
			continue
		}
		m.regexes = append(m.regexes, regex)
	}
	return m
}

// regexSource is the regular expression of "/.../".
func regexSource(pattern string) (source string, isRegex bool) {
	if len(pattern) > 2 && strings.HasPrefix(pattern, "/") && strings.HasSuffix(pattern, "/") {
		return pattern[1 : len(pattern)-1], true
	}
	return "", false
}

func (m *matcher) matches(err error) bool {
	text := errorText(err)
	for _, part := range m.parts {
		if strings.Contains(text, part) {
			return true
		}
	}
	for _, regex := range m.regexes {
		if regex.MatchString(text) {
			return true
		}
	}
	return false
}

// errorText is what patterns are matched against (RT-7): the error's message; the names of its type and of those it
// wraps; then the symbolic codes of system errors among them, and HTTP statuses from a method StatusCode() int.
func errorText(err error) string {
	lines := []string{err.Error()}
	var carried []string
	walk(err, func(each error) {
		lines = append(lines, fmt.Sprintf("%T", each))
		if code := osCode(each); code != "" {
			carried = append(carried, code)
		}
		if carrier, ok := each.(interface{ StatusCode() int }); ok {
			if status := carrier.StatusCode(); status >= 100 && status <= 599 {
				carried = append(carried, fmt.Sprintf("%d %s", status, reasonPhrases[status]))
			}
		}
	})
	return strings.Join(append(lines, carried...), "\n")
}

// retryAfterHint is how long an error asks to wait, by a method RetryAfter() time.Duration of it or of an error that it
// wraps (RT-11); 0: it does not say.
func retryAfterHint(err error) (hint time.Duration) {
	if fallback, ok := err.(*FallbackError); ok {
		err = fallback.handler // the hint of the first error was for the handler
	}
	walk(err, func(each error) {
		if carrier, ok := each.(interface{ RetryAfter() time.Duration }); ok && hint == 0 {
			hint = carrier.RetryAfter()
		}
	})
	return hint
}

// walk visits an error and every error it wraps, a FallbackError itself left out.
func walk(err error, visit func(error)) {
	if err == nil {
		return
	}
	if _, ok := err.(*FallbackError); !ok {
		visit(err)
	}
	switch wrapper := err.(type) {
	case interface{ Unwrap() error }:
		walk(wrapper.Unwrap(), visit)
	case interface{ Unwrap() []error }:
		for _, each := range wrapper.Unwrap() {
			walk(each, visit)
		}
	}
}

// osCode is the symbolic code of what an error itself says, not of what it wraps; empty: none.
func osCode(err error) string {
	switch err := err.(type) {
	case syscall.Errno:
		return errnoNames[err]
	case *net.DNSError:
		switch {
		case err.IsNotFound:
			return "ENOTFOUND"
		case err.IsTemporary && !err.IsTimeout:
			return "EAI_AGAIN"
		}
	case *url.Error:
		if errors.Is(err.Err, io.EOF) || errors.Is(err.Err, io.ErrUnexpectedEOF) {
			return "ECONNRESET" // the peer closed the connection without an answer
		}
	}
	if network, ok := err.(net.Error); ok && network.Timeout() {
		return "ETIMEDOUT"
	}
	return ""
}
