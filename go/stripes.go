package skidbladnir

import (
	"math"
	"runtime"
	"sync/atomic"
	"unsafe"
)

// count is a number, at least 0, that goroutines change without a lock while it is open. Whoever holds the lock of its
// policy can seal it, and is then the only one to know and to change what it stood for.
type count struct {
	n atomic.Int64
}

// sealed is so far below 0 that no change leads out of it, and none wraps around.
const sealed = math.MinInt64 / 2

// add changes the number and tells whether it could: not when sealed, and not to below 0.
func (c *count) add(change int64) bool {
	for {
		old := c.n.Load()
		if old+change < 0 {
			return false
		}
		if c.n.CompareAndSwap(old, old+change) {
			return true
		}
	}
}

func (c *count) isOpen() bool { return c.n.Load() >= 0 }

const cacheLine = 64

// stripe is a share of two counts, on a cache line of its own.
type stripe struct {
	counts [2]count
	_      [cacheLine - 16]byte
}

// stripes are two counts, each the sum of its shares, so that cores that count at once do not wait for each
// other's cache lines.
type stripes []stripe

// newStripes makes enough of them that goroutines which run at once rarely meet; their number is a power of two. They are
// sealed.
func newStripes() stripes {
	const most = 64
	number := 1
	for number < 4*runtime.GOMAXPROCS(0) && number < most {
		number *= 2
	}
	s := make(stripes, number)
	s.seal(0)
	s.seal(1)
	return s
}

// own is the stripe of the running goroutine, more or less: it follows from where its stack is, which costs nothing to
// know. Any other stripe would be as correct, only slower.
func (s stripes) own() *stripe {
	const (
		smallestStack = 11                 // its logarithm: below that, addresses tell calls apart, not goroutines
		golden        = 0x9E3779B97F4A7C15 // spreads neighbours (Knuth's multiplicative hashing)
	)
	var here byte
	hash := uint64(uintptr(unsafe.Pointer(&here))) >> smallestStack * golden
	return &s[hash>>32&uint64(len(s)-1)]
}

// seal takes the sum of the first or the second count. Under the policy's lock, and only when it is open.
func (s stripes) seal(which int) (sum int64) {
	for i := range s {
		sum += s[i].counts[which].n.Swap(sealed)
	}
	return sum
}

// open shares a sum out, for goroutines to change again. Under the policy's lock, and only when the count is sealed.
func (s stripes) open(which int, sum int64) {
	number := int64(len(s))
	for i := range s {
		share := sum / number
		if int64(i) < sum%number {
			share++
		}
		s[i].counts[which].n.Store(share)
	}
}
