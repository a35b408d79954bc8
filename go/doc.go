// Package skidbladnir keeps a service standing when the APIs it calls do not: circuit breaker, retry, bulkhead, timeout,
// cache and fallback, each by itself, composed in any order, or all of them as a facade.
//
//	facade, err := skidbladnir.NewResilienceFacade[Project](skidbladnir.FacadeOptions{
//		Name:  "zephyr",
//		Retry: skidbladnir.RetryOptions{MaxRetries: skidbladnir.Set(2)},
//	})
//	project, err := facade.Execute(ctx, "project/7", func(ctx context.Context) (Project, error) {
//		return client.Project(ctx, 7)
//	})
//
// # Options
//
// The zero value of every options struct has the defaults. An option whose default is not zero is a pointer, made by
// [Set], so that a zero that is given means zero. Constructors check what they are given, and return a
// [ConfigurationError] that names the option.
//
// # Policies
//
// [Execute] runs an operation under any [Policy]; [Compose] makes one policy of several, the first named outermost.
// Policies may be shared by goroutines, and are meant to be: one for each dependency, not one for each call.
//
// # Errors
//
// An operation's own error reaches the caller as it is. The errors by which policies end calls are a [PolicyError], found
// by errors.Is with [ErrCircuitOpen], [ErrBulkheadFull], [ErrBulkheadWaitTimeout], [ErrTimeout] and [ErrCancelled];
// [ErrRejected] is any of the first three.
//
// # Events
//
// Every policy, composition and facade tells its listeners what it does; see [Event].
//
// # Time
//
// The package uses the plain time and context of the standard library. In a bubble of testing/synctest it runs in
// virtual time, and so do the tests of the code that uses it.
//
// Comments name the clauses of the specification (such as CB-9) that the library fulfils in every language; it is in
// conformance/spec.
package skidbladnir

// Version of the package.
const Version = "0.1.0"
