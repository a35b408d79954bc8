package skidbladnir

import (
	"context"
	"math/rand/v2"
	"time"
)

// PatternRetry is the name of the pattern, and of a retry without a name.
const PatternRetry = "retry"

// Jitter spreads delays, so that callers that failed together do not come back together.
type Jitter string

// The kinds of jitter (RT-3, RT-4), where u is random in [0, 1) and d the delay.
const (
	JitterNone         Jitter = "none"         // d; the default
	JitterFull         Jitter = "full"         // u * d
	JitterEqual        Jitter = "equal"        // d/2 + u * d/2
	JitterDecorrelated Jitter = "decorrelated" // initial + u * (3 * the delay before - initial)
)

// RetryOptions are the options of a [Retry]; the zero value has the defaults. See [Set].
type RetryOptions struct {
	// Name of the policy; default "retry".
	Name string
	// MaxRetries is the number of attempts after the first, at least 0; default 3.
	MaxRetries *int
	// InitialDelay is the delay before the first retry, at least 0; default 1 s. Delays are whole milliseconds.
	InitialDelay *time.Duration
	// MaxDelay is the longest delay, at least 0; default 10 s.
	MaxDelay *time.Duration
	// BackoffFactor is by what each delay grows, 1 to 1000; default 2.
	BackoffFactor *float64
	// Jitter of the delays; default JitterNone.
	Jitter Jitter
	// RetryableErrors are patterns over the text of an error: a string that it contains, or "/.../", a regular expression
	// that is found in it (RT-6, RT-7). nil: every failure is retried; empty and not nil: none is.
	RetryableErrors []string
	// IsRetryable decides instead of RetryableErrors (RT-8); nil: not given.
	IsRetryable func(error) bool
	// RetryRejections retries also what a policy inside refused (RT-10).
	RetryRejections bool
	// MaxRetryAfter is the longest wait that an error may ask for, at least 0; default 60 s. An error that asks for more
	// ends the retrying (RT-11).
	MaxRetryAfter *time.Duration
	// MaxElapsed is how long after the beginning of the first attempt a retry may begin, at least 0; nil: no limit (RT-12).
	MaxElapsed *time.Duration
	// Random gives numbers in [0, 1) for the jitter, to several goroutines at once; default math/rand/v2.
	Random func() float64
	// Listeners to begin with.
	Listeners []Listener
}

// Retry repeats a failed operation after growing delays (RT).
type Retry struct {
	policy
	maxRetries       int
	initialMS, maxMS float64
	factor           float64
	jitter           Jitter
	matcher          *matcher // nil: every failure
	isRetryable      func(error) bool
	retryRejections  bool
	maxRetryAfter    time.Duration
	maxElapsed       *time.Duration
	random           func() float64
}

// NewRetry makes a retry, or returns a [ConfigurationError].
func NewRetry(options RetryOptions) (*Retry, error) {
	const path = PatternRetry
	c := &checker{}
	r := &Retry{
		maxRetries:      c.integer(path+".max_retries", or(options.MaxRetries, 3), 0, maximum),
		initialMS:       milliseconds(c.duration(path+".initial_delay_ms", or(options.InitialDelay, time.Second), 0)),
		maxMS:           milliseconds(c.duration(path+".max_delay_ms", or(options.MaxDelay, 10*time.Second), 0)),
		factor:          c.number(path+".backoff_factor", or(options.BackoffFactor, 2), 1, 1000),
		jitter:          word(c, path+".jitter", options.Jitter, JitterNone, JitterFull, JitterEqual, JitterDecorrelated),
		isRetryable:     options.IsRetryable,
		retryRejections: options.RetryRejections,
		maxRetryAfter:   c.duration(path+".max_retry_after_ms", or(options.MaxRetryAfter, time.Minute), 0),
		random:          options.Random,
	}
	if options.RetryableErrors != nil {
		r.matcher = newMatcher(c, path+".retryable_errors", options.RetryableErrors)
		if options.IsRetryable != nil {
			c.fail(CodeConflict, path+".is_retryable", "a predicate", "not with retryable_errors")
		}
	}
	if options.MaxElapsed != nil {
		r.maxElapsed = Set(c.duration(path+".max_elapsed_ms", *options.MaxElapsed, 0))
	}
	if r.random == nil {
		r.random = rand.Float64
	}
	if c.err != nil {
		return nil, c.err
	}
	r.init(r, options.Name, path, options.Listeners)
	return r, nil
}

func runRetry[T any](ctx context.Context, r *Retry, inner []Policy, op Operation[T]) (T, error) {
	course := r.begin()
	for {
		result, err := run(ctx, inner, op)
		if err == nil {
			return result, nil
		}
		delay, again := course.next(ctx, err)
		if !again {
			return result, err
		}
		if !sleep(ctx, delay) {
			var zero T
			return zero, newCancelledError(ctx, r.name)
		}
	}
}

// sleep waits, and tells whether the caller still waits too (RT-5, RT-9).
func sleep(ctx context.Context, delay time.Duration) bool {
	if delay > 0 {
		timer := time.NewTimer(delay)
		defer timer.Stop()
		select {
		case <-timer.C:
		case <-ctx.Done():
		}
	}
	return ctx.Err() == nil
}

// course is one call's way through its attempts.
type course struct {
	retry   *Retry
	began   time.Time // of the first attempt, where MaxElapsed needs it
	attempt int
	delays  delays
}

func (r *Retry) begin() course {
	c := course{retry: r, delays: delays{retry: r}}
	if r.maxElapsed != nil {
		c.began = time.Now()
	}
	return c
}

// next decides after a failed attempt whether another follows, and after which delay.
func (c *course) next(ctx context.Context, err error) (delay time.Duration, again bool) {
	c.attempt++
	r := c.retry
	if callerGaveUp(ctx, err) || !r.retries(err) {
		return 0, false
	}
	if c.attempt > r.maxRetries {
		return 0, c.exhausted("max_retries", err)
	}
	hint := retryAfterHint(err)
	if hint > r.maxRetryAfter {
		return 0, c.exhausted("retry_after", err)
	}
	delay = max(c.delays.next(), hint)
	if r.maxElapsed != nil && time.Since(c.began)+delay > *r.maxElapsed {
		return 0, c.exhausted("max_elapsed", err)
	}
	if r.listeners.any() {
		r.listeners.emit(Event{
			Type: EventRetryScheduled, Policy: r.name, Attempt: c.attempt, Delay: delay, Err: err,
		})
	}
	return delay, true
}

// exhausted reports that a retryable failure is not retried; it always returns false.
func (c *course) exhausted(reason string, err error) bool {
	r := c.retry
	if r.listeners.any() {
		r.listeners.emit(Event{
			Type: EventRetryExhausted, Policy: r.name, Attempt: c.attempt, Reason: reason, Err: err,
		})
	}
	return false
}

// retries tells whether an error is one to retry (RT-6, RT-8, RT-10).
func (r *Retry) retries(err error) bool {
	switch {
	case isRejection(err):
		return r.retryRejections
	case r.isRetryable != nil:
		return r.isRetryable(err)
	default:
		return r.matcher == nil || r.matcher.matches(err)
	}
}

// delays is the sequence of delays, in IEEE doubles of milliseconds, truncated when used (RT-2 to RT-4). The explicit
// conversions keep the compiler from fusing a multiplication with an addition.
type delays struct {
	retry   *Retry
	started bool
	ms      float64
}

func (d *delays) next() time.Duration {
	r := d.retry
	switch {
	case r.jitter == JitterDecorrelated:
		if !d.started {
			d.ms = r.initialMS
		}
		spread := float64(3*d.ms) - r.initialMS
		d.ms = min(r.maxMS, r.initialMS+float64(r.random()*spread))
	case !d.started:
		d.ms = min(r.initialMS, r.maxMS)
	default:
		d.ms = min(float64(d.ms*r.factor), r.maxMS)
	}
	d.started = true
	switch r.jitter {
	case JitterFull:
		return wholeMilliseconds(float64(r.random() * d.ms))
	case JitterEqual:
		half := d.ms / 2
		return wholeMilliseconds(half + float64(r.random()*half))
	default:
		return wholeMilliseconds(d.ms)
	}
}
