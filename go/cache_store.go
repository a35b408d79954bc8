package skidbladnir

import (
	"container/list"
	"time"
)

// store is what a cache keeps and what it fetches: which value is fresh, stale or gone, who fetches and who waits. Its
// methods are called under the cache's lock; its time is that since the cache's construction.
type store[T any] struct {
	ttl                  time.Duration
	maxStale             *time.Duration
	maxEntries           int
	staleWhileRevalidate bool
	staleIfError         bool
	entries              map[string]*list.Element // of *entry[T]
	used                 list.List                // the most recently used first
	flights              map[string]*flight[T]
}

type entry[T any] struct {
	key     string
	value   T
	fetched time.Duration
}

// flight is a fetch under way, and who waits for it.
type flight[T any] struct {
	key     string
	joiners list.List // of *joiner, the first come first
	valid   bool      // its value is to be stored
	// How it ended, for those who wait; written before they are woken.
	value    T
	err      error
	standsIn bool // value is a stale one in place of err
}

// joiner is a caller that waits for another's fetch.
type joiner struct {
	wake  chan struct{} // closed when the fetch has ended, or is handed on to this one
	place *list.Element // nil when it has left
	leads bool          // it must fetch by itself now
}

func newStore[T any]() store[T] {
	return store[T]{entries: map[string]*list.Element{}, flights: map[string]*flight[T]{}}
}

// read finds what a read of the key is: a hit or a stale hit with its value, or a miss.
func (s *store[T]) read(key string, now time.Duration) (found EventType, value T) {
	if element, ok := s.entries[key]; ok {
		kept := element.Value.(*entry[T])
		age := now - kept.fetched
		switch {
		case age < s.ttl:
			s.used.MoveToFront(element)
			return EventCacheHit, kept.value
		case s.staleWhileRevalidate && s.isUsable(age):
			s.used.MoveToFront(element)
			return EventCacheStaleHit, kept.value
		}
	}
	return EventCacheMiss, value
}

// isUsable is CA-6.
func (s *store[T]) isUsable(age time.Duration) bool {
	return s.maxStale == nil || age < s.ttl+*s.maxStale
}

// depart begins a flight for the key, or returns nil when one is under way.
func (s *store[T]) depart(key string) *flight[T] {
	if s.flights[key] != nil {
		return nil
	}
	f := &flight[T]{key: key, valid: true}
	s.flights[key] = f
	return f
}

// join waits for the flight of the key.
func (s *store[T]) join(key string) (*flight[T], *joiner) {
	f := s.flights[key]
	j := &joiner{wake: make(chan struct{})}
	j.place = f.joiners.PushBack(j)
	return f, j
}

// leave is for a joiner that gave up.
func (s *store[T]) leave(f *flight[T], j *joiner) {
	if j.place != nil {
		f.joiners.Remove(j.place)
		j.place = nil
	}
}

// handOn passes a flight whose fetch was cancelled to the first who waits; without one it is over, and nil is returned.
func (s *store[T]) handOn(f *flight[T]) *joiner {
	first := f.joiners.Front()
	if first == nil {
		s.remove(f)
		return nil
	}
	j := f.joiners.Remove(first).(*joiner)
	j.place, j.leads = nil, true
	return j
}

// succeed ends a flight with a value; evicted are the keys that had to go for it.
func (s *store[T]) succeed(f *flight[T], value T, now time.Duration) (joiners []*joiner, evicted []string) {
	f.value = value
	if f.valid {
		evicted = s.keep(f.key, value, now)
	}
	return s.land(f), evicted
}

// fail ends a flight with an error, for which a stale value may stand in (CA-9).
func (s *store[T]) fail(f *flight[T], err error, now time.Duration) (joiners []*joiner) {
	f.err = err
	if element, ok := s.entries[f.key]; ok && f.valid && s.staleIfError {
		kept := element.Value.(*entry[T])
		if s.isUsable(now - kept.fetched) {
			s.used.MoveToFront(element)
			f.value, f.standsIn = kept.value, true
		}
	}
	return s.land(f)
}

// land returns who waited for a flight that has ended.
func (s *store[T]) land(f *flight[T]) []*joiner {
	s.remove(f)
	var joiners []*joiner
	for element := f.joiners.Front(); element != nil; element = element.Next() {
		j := element.Value.(*joiner)
		j.place = nil
		joiners = append(joiners, j)
	}
	f.joiners.Init()
	return joiners
}

func (s *store[T]) remove(f *flight[T]) {
	if f.valid {
		delete(s.flights, f.key)
	}
}

// keep stores a value, and returns the keys evicted (CA-10).
func (s *store[T]) keep(key string, value T, now time.Duration) (evicted []string) {
	if element, ok := s.entries[key]; ok {
		kept := element.Value.(*entry[T])
		kept.value, kept.fetched = value, now
		s.used.MoveToFront(element)
		return nil
	}
	s.entries[key] = s.used.PushFront(&entry[T]{key, value, now})
	for len(s.entries) > s.maxEntries {
		oldest := s.used.Remove(s.used.Back()).(*entry[T])
		delete(s.entries, oldest.key)
		evicted = append(evicted, oldest.key)
	}
	return evicted
}

// drop forgets the key's value, and makes its flight store nothing and be joined no more (CA-11).
func (s *store[T]) drop(key string) {
	if element, ok := s.entries[key]; ok {
		s.used.Remove(element)
		delete(s.entries, key)
	}
	if f := s.flights[key]; f != nil {
		f.valid = false
		delete(s.flights, key)
	}
}

// dropAll is drop for every key.
func (s *store[T]) dropAll() {
	clear(s.entries)
	s.used.Init()
	for _, f := range s.flights {
		f.valid = false
	}
	clear(s.flights)
}
