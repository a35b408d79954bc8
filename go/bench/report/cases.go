package main

// target is what this project asks of itself, in docs and in the table.
type target struct {
	most   float64
	source string
}

var (
	noTarget     *target
	againstPeers = &target{0.7, "<= 0.7 of the better of gobreaker and failsafe-go"}
	scaling      = &target{1, "<= 1: throughput does not fall"}
)

// titles are the cases that the benchmarks name, in the order of the report.
var titles = []struct {
	id, title string
	target    *target
}{
	{"breaker", "breaker, closed", againstPeers},
	{"bulkhead", "bulkhead, free slot", againstPeers},
	{"retry", "retry, first attempt succeeds", againstPeers},
	{"timeout", "timeout", againstPeers},
	{"stack-of-three", "breaker + bulkhead + retry", againstPeers},
	{"stack-of-four", "breaker + bulkhead + timeout + retry", againstPeers},
	{"cache-hit", "cache hit, facade", againstPeers},
	{"cache-miss", "cache miss in front of those four", againstPeers},
	{"cache-stale-hit", "stale hit while its refresh runs (1.0: a bare call)", noTarget},
	{"cache-stale-hit-and-refresh", "stale hit, and its refresh (1.0: a bare call)", noTarget},
	{"breaker-rejection", "rejection by an open breaker", againstPeers},
	{"bulkhead-rejection", "rejection by a full bulkhead", againstPeers},
	{"retry-three-failures", "retry, three failures then success, no delay", againstPeers},
	{"window-count-10", "window of the last 10 calls, 1 of 10 fails", againstPeers},
	{"window-count-1000", "window of the last 1,000 calls", againstPeers},
	{"window-count-100000", "window of the last 100,000 calls", againstPeers},
	{"window-time-10-buckets", "window of a minute, 10 buckets", againstPeers},
	{"window-time-1000-buckets", "window of a minute, 1,000 buckets", againstPeers},
	{"contended-breaker", "breaker", againstPeers},
	{"contended-bulkhead", "bulkhead", againstPeers},
	{"contended-stack-of-three", "breaker + bulkhead + retry", againstPeers},
	{"contended-stack-of-four", "breaker + bulkhead + timeout + retry", againstPeers},
	{"contended-cache-hit", "cache hit", againstPeers},
}

var memoryTitles = []struct{ id, title string }{
	{"per-breaker", "a circuit breaker"},
	{"per-bulkhead", "a bulkhead"},
	{"per-retry", "a retry"},
	{"per-timeout", "a timeout"},
	{"per-facade", "a facade (failsafe-go: an executor of four policies, without cache)"},
	{"per-cached-entry", "an entry of a cache, with its key of up to 5 bytes"},
	{"of-a-cache-of-1000-after-a-thousand-keys", "a cache of 1,000 entries, full"},
	{"of-a-cache-of-1000-after-a-million-keys", "the same cache, after a million keys"},
	{"per-waiting-goroutine", "a goroutine that waits for a channel"},
	{"per-queued-call", "a call in the queue of a bulkhead, with its goroutine"},
}
