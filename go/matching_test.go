package skidbladnir_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	sk "skidbladnir.dev/skidbladnir"
)

// isRetried tells whether a retry with one pattern takes an error up.
func isRetried(t *testing.T, pattern string, failure error) bool {
	t.Helper()
	retry := made(sk.NewRetry(sk.RetryOptions{
		MaxRetries: sk.Set(1), InitialDelay: sk.Set(time.Duration(0)), RetryableErrors: []string{pattern},
	}))
	attempts := 0
	_, err := sk.Execute(t.Context(), retry, func(context.Context) (string, error) {
		attempts++
		return "", failure
	})
	if err == nil {
		t.Error("the operation succeeded")
	}
	return attempts == 2
}

// statusError carries an HTTP status.
type statusError struct{ status int }

func (statusError) Error() string     { return "refused" }
func (e statusError) StatusCode() int { return e.status }

func TestTextOfAnErrorHasItsCodesAndStatus(t *testing.T) {
	wrapped := func(err error) error { return fmt.Errorf("while fetching: %w", err) }
	for _, test := range []struct {
		pattern string
		err     error
		found   bool
	}{
		{"while fetching", wrapped(errBoom), true},
		{"ECONNRESET", wrapped(os.NewSyscallError("read", syscall.ECONNRESET)), true},
		{"ECONNRESET", wrapped(os.NewSyscallError("write", syscall.EPIPE)), false},
		{"EPIPE", errors.Join(errBoom, syscall.EPIPE), true},
		{"ECONNRESET", &url.Error{Op: "Get", URL: "http://zephyr", Err: io.EOF}, true},
		{"ECONNRESET", &url.Error{Op: "Get", URL: "http://zephyr", Err: io.ErrUnexpectedEOF}, true},
		{"ECONNRESET", io.EOF, false}, // the end of a file is no reset
		{"ENOTFOUND", wrapped(&net.DNSError{IsNotFound: true}), true},
		{"ENOTFOUND", wrapped(&net.DNSError{IsTimeout: true}), false},
		{"EAI_AGAIN", wrapped(&net.DNSError{IsTemporary: true}), true},
		{"EAI_AGAIN", wrapped(&net.DNSError{IsTemporary: true, IsTimeout: true}), false},
		{"ETIMEDOUT", wrapped(&net.DNSError{IsTimeout: true}), true},
		{"ETIMEDOUT", wrapped(os.ErrDeadlineExceeded), true},
		{"503 Service Unavailable", wrapped(statusError{503}), true},
		{"429 Too Many Requests", statusError{429}, true},
		{"/^503 Service/", statusError{503}, false},
		{"/(?m)^503 Service/", statusError{503}, true},
		{"599 ", statusError{599}, true},
		{"0 ", statusError{}, false},
		{"/(?m)^ECONNRESET$/", &url.Error{Op: "Get", URL: "http://zephyr", Err: io.EOF}, true},
		{"/(?m)^ECONNRESET$/", &url.Error{Op: "Get", URL: "http://zephyr", Err: io.EOF}, true},
		{"ECONNRESET", &url.Error{Op: "Get", URL: "http://zephyr", Err: errBoom}, false},
		{"/(?m)^ETIMEDOUT$/", os.ErrDeadlineExceeded, true},
		{"/(?m)^ENETUNREACH$/", syscall.Errno(10051), true}, // those of Windows Sockets
		{"/(?m)^ECONNABORTED$/", syscall.Errno(10053), true},
		{"/(?m)^ECONNRESET$/", syscall.Errno(10054), true},
		{"/(?m)^ETIMEDOUT$/", syscall.Errno(10060), true},
		{"/(?m)^ECONNREFUSED$/", syscall.Errno(10061), true},
		{"/(?m)^EHOSTUNREACH$/", syscall.Errno(10065), true},
		{"statusError", wrapped(statusError{503}), true},
	} {
		t.Run(fmt.Sprintf("%s in %v", test.pattern, test.err), func(t *testing.T) {
			wantEqual(t, "retried", isRetried(t, test.pattern, test.err), test.found)
		})
	}
}

// A timeout of this package is not one of the network.
func TestOwnTimeoutIsNoNetworkTimeout(t *testing.T) {
	timeout := made(sk.NewTimeout(sk.TimeoutOptions{Timeout: sk.Set(time.Millisecond)}))
	_, err := sk.Execute(t.Context(), timeout, after(time.Hour, "", nil))
	wantEqual(t, "retried as ETIMEDOUT", isRetried(t, "ETIMEDOUT", err), false)
	wantEqual(t, "retried by its message", isRetried(t, "Operation timed out", err), true)
}

// What net/http returns when things really go wrong.
func TestErrorsOfRealConnectionsCarryTheirCodes(t *testing.T) {
	get := func(address string, timeout time.Duration) error {
		client := http.Client{Timeout: timeout}
		response, err := client.Get(address)
		if err == nil {
			t.Errorf("%s answered", address)
			return errors.Join(response.Body.Close())
		}
		return err
	}
	misbehaving := func(how func(net.Conn)) string {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			connection, _, err := http.NewResponseController(w).Hijack()
			if err != nil {
				t.Error(err)
				return
			}
			how(connection)
			if err := connection.Close(); err != nil {
				t.Error(err)
			}
		}))
		t.Cleanup(server.Close)
		return server.URL
	}
	reset := misbehaving(func(connection net.Conn) {
		if err := connection.(*net.TCPConn).SetLinger(0); err != nil {
			t.Error(err)
		}
	})
	closed := misbehaving(func(net.Conn) {})
	stalled := misbehaving(func(net.Conn) { time.Sleep(100 * time.Millisecond) })
	gone := httptest.NewServer(http.NotFoundHandler())
	gone.Close()

	for _, test := range []struct {
		code string
		err  error
	}{
		{"ECONNRESET", get(reset, time.Minute)},
		{"ECONNRESET", get(closed, time.Minute)},
		{"ETIMEDOUT", get(stalled, 10*time.Millisecond)},
		{"ECONNREFUSED", get(gone.URL, time.Minute)},
	} {
		if !isRetried(t, test.code, test.err) {
			t.Errorf("%v does not carry %s", test.err, test.code)
		}
	}
}

// FuzzPattern: whatever a pattern is, it is a string that is contained, a regular expression that is found, or refused.
func FuzzPattern(f *testing.F) {
	for _, seed := range [][2]string{
		{"oo", "boom"}, {"/b.*m/", "boom"}, {"//", "a//b"}, {"/", "/"}, {"/(/", "("}, {"/a", "/a"}, {`/\x{110000}/`, ""}, {"", ""},
	} {
		f.Add(seed[0], seed[1])
	}
	f.Fuzz(func(t *testing.T, pattern, message string) {
		source, isRegex := "", len(pattern) > 2 && strings.HasPrefix(pattern, "/") && strings.HasSuffix(pattern, "/")
		if isRegex {
			source = pattern[1 : len(pattern)-1]
		}
		regex, invalid := regexp.Compile(source)
		if _, err := sk.NewRetry(sk.RetryOptions{RetryableErrors: []string{pattern}}); err != nil || invalid != nil {
			if (err == nil) != (invalid == nil) {
				t.Errorf("the pattern is refused with %v, its source with %v", err, invalid)
			}
			return
		}
		text := message + "\n*errors.errorString"
		found := strings.Contains(text, pattern)
		if isRegex {
			found = regex.MatchString(text)
		}
		wantEqual(t, "retried", isRetried(t, pattern, errors.New(message)), found)
	})
}

// Whatever is given as a pattern: a retry is made of it, or it is refused by an error that names its place.
func FuzzRetryableErrors(f *testing.F) {
	for _, pattern := range []string{"ECONNRESET", "/^busy/", "/(/", "//", "/", "", "/\\C/", "/a{9999}/"} {
		f.Add(pattern, "busy: ECONNRESET")
	}
	f.Fuzz(func(t *testing.T, pattern, message string) {
		retry, err := sk.NewRetry(sk.RetryOptions{
			MaxRetries: sk.Set(1), InitialDelay: sk.Set(time.Duration(0)), RetryableErrors: []string{pattern},
		})
		if err != nil {
			wantConfigurationError(t, err, sk.CodeRegex, "retry.retryable_errors[0]")
			return
		}
		attempts := 0
		_, err = sk.Execute(t.Context(), retry, func(context.Context) (string, error) {
			attempts++
			return "", errors.New(message)
		})
		wantEqual(t, "the error's text", err.Error(), message)
		if isPlain := !strings.HasPrefix(pattern, "/"); isPlain && strings.Contains(message, pattern) {
			wantEqual(t, "attempts", attempts, 2)
		}
	})
}
