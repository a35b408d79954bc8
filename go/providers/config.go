package providers

import (
	"encoding/json"
	"maps"
	"time"

	"skidbladnir.dev/skidbladnir"
)

// Config is the effective options of one provider. It does not change, and may be shared by goroutines.
type Config struct {
	name     string
	sections map[string]section // nil: off
}

// Name is the provider's name.
func (c *Config) Name() string { return c.name }

// ToMapping is every option with its effective value, under the names of the specification; a section that is off is
// nil. It consists of what encoding/json makes of JSON, but for whole numbers, which are int64.
func (c *Config) ToMapping() map[string]any {
	mapping := map[string]any{}
	for name, options := range c.sections {
		mapping[name] = nil
		if options != nil {
			mapping[name] = withDefaults(name, options)
		}
	}
	return mapping
}

// MarshalJSON writes ToMapping.
func (c *Config) MarshalJSON() ([]byte, error) { return json.Marshal(c.ToMapping()) }

// withDefaults fills in the defaults of the schema, and those that depend on other options.
func withDefaults(name string, options section) section {
	definition := definitions()[name]
	result := definition.defaults()
	maps.Copy(result, options)
	if name != "circuit_breaker" {
		return result
	}
	if _, given := result["half_open_max_concurrent"]; !given {
		result["half_open_max_concurrent"] = result["half_open_success_threshold"]
	}
	for _, name := range []string{"slow_call", "reset_timeout_backoff"} {
		if given, ok := result[name]; ok {
			filled := definition.Properties[name].defaults()
			maps.Copy(filled, asSection(given))
			result[name] = filled
		}
	}
	kind := kindOf(result["window"])
	window := section{"kind": kind}
	for _, option := range rateOptions[kind] {
		window[option] = definition.Properties["window"].Properties[option].Default
	}
	maps.Copy(window, asSection(result["window"]))
	if _, isRate := rateOptions[kind]; isRate {
		delete(result, "failure_threshold")
	}
	if _, given := asSection(options["window"])["minimum_calls"]; kind == "count" && !given {
		window["minimum_calls"] = int64(min(numberOr(window, "minimum_calls", 0), numberOr(window, "size", 0)))
	}
	result["window"] = window
	return result
}

// Options are the options as those of a facade named after the provider; change them as you like before making one.
func (c *Config) Options() skidbladnir.FacadeOptions {
	options := skidbladnir.FacadeOptions{Name: c.name}
	for _, name := range sections {
		if c.sections[name] == nil {
			options.Off = append(options.Off, name)
		}
	}
	retry, timeout := c.sections["retry"], c.sections["timeout"]
	bulkhead, cache := c.sections["bulkhead"], c.sections["cache"]
	options.Retry = skidbladnir.RetryOptions{
		MaxRetries:      whole(retry, "max_retries"),
		InitialDelay:    duration(retry, "initial_delay_ms"),
		MaxDelay:        duration(retry, "max_delay_ms"),
		BackoffFactor:   real(retry, "backoff_factor"),
		Jitter:          skidbladnir.Jitter(word(retry, "jitter")),
		RetryableErrors: patterns(retry),
		RetryRejections: retry["retry_rejections"] == true,
		MaxRetryAfter:   duration(retry, "max_retry_after_ms"),
		MaxElapsed:      duration(retry, "max_elapsed_ms"),
	}
	options.Timeout = skidbladnir.TimeoutOptions{
		Timeout: duration(timeout, "timeout_ms"),
		Mode:    skidbladnir.TimeoutMode(word(timeout, "mode")),
	}
	options.CircuitBreaker = breakerOptions(c.sections["circuit_breaker"])
	options.Bulkhead = skidbladnir.BulkheadOptions{
		MaxConcurrentCalls: whole(bulkhead, "max_concurrent_calls"),
		MaxQueueSize:       whole(bulkhead, "max_queue_size"),
		MaxWait:            duration(bulkhead, "max_wait_ms"),
	}
	options.Cache = skidbladnir.CacheOptions{
		TTL:          duration(cache, "ttl_ms"),
		StaleIfError: cache["stale_if_error"] == true,
		MaxStale:     duration(cache, "max_stale_ms"),
		MaxEntries:   whole(cache, "max_entries"),
	}
	if revalidate, given := cache["stale_while_revalidate"].(bool); given {
		options.Cache.StaleWhileRevalidate = &revalidate
	}
	return options
}

func breakerOptions(breaker section) skidbladnir.CircuitBreakerOptions {
	window := asSection(breaker["window"])
	options := skidbladnir.CircuitBreakerOptions{
		FailureThreshold:         whole(breaker, "failure_threshold"),
		ResetTimeout:             duration(breaker, "reset_timeout_ms"),
		HalfOpenSuccessThreshold: whole(breaker, "half_open_success_threshold"),
		HalfOpenMaxConcurrent:    whole(breaker, "half_open_max_concurrent"),
		Window: skidbladnir.Window{
			Kind:         skidbladnir.WindowKind(kindOf(window)),
			Size:         whole(window, "size"),
			Duration:     duration(window, "duration_ms"),
			Buckets:      whole(window, "buckets"),
			MinimumCalls: whole(window, "minimum_calls"),
			FailureRate:  real(window, "failure_rate"),
		},
	}
	if slow := asSection(breaker["slow_call"]); slow != nil {
		options.SlowCall = &skidbladnir.SlowCall{Duration: *duration(slow, "duration_ms"), Rate: real(slow, "rate")}
	}
	if backoff := asSection(breaker["reset_timeout_backoff"]); backoff != nil {
		options.ResetTimeoutBackoff = &skidbladnir.ResetTimeoutBackoff{
			Max: *duration(backoff, "max_ms"), Factor: real(backoff, "factor"),
		}
	}
	return options
}

// real is a number that the schema has checked; nil when it is not given.
func real(in section, name string) *float64 {
	if _, given := in[name]; !given {
		return nil
	}
	return skidbladnir.Set(numberOr(in, name, 0))
}

// whole is as real; the schema takes 5.0 for a whole number too.
func whole(in section, name string) *int {
	if number := real(in, name); number != nil {
		return skidbladnir.Set(int(*number))
	}
	return nil
}

func duration(in section, name string) *time.Duration {
	if number := real(in, name); number != nil {
		return skidbladnir.Set(time.Duration(*number) * time.Millisecond)
	}
	return nil
}

func word(in section, name string) string {
	text, _ := in[name].(string)
	return text
}

// patterns are the retryable errors, a {regex: ...} in the form of "/.../".
func patterns(retry section) []string {
	list, given := retry["retryable_errors"].([]any)
	if !given {
		return nil
	}
	result := []string{}
	for _, each := range list {
		switch each := each.(type) {
		case string:
			result = append(result, each)
		case section:
			source := word(each, "regex")
			if source == "" {
				source = "(?:)" // "//" would be a plain string
			}
			result = append(result, "/"+source+"/")
		}
	}
	return result
}
