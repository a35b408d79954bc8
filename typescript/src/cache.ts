/**
 * Cache: answers from what was fetched before, one fetch per key at a time (CA).
 *
 * `Store` decides: which value is fresh, stale or gone, who fetches and who waits. `Cache` does: it runs the fetches, wakes the
 * waiters and tells the listeners.
 */

import { AbortableCall, Call, isCancellation, start, type Operation } from './call.js';
import { Chain, type Link } from './chain.js';
import { microsecondsNow } from './clock.js';
import { CancelledError } from './errors.js';
import type { EventType } from './events.js';
import { boolean, integer, known, microseconds, optionalMicroseconds } from './options.js';
import { POLICY_OPTIONS, Policy, type PolicyOptions } from './policy.js';

export interface CacheOptions extends PolicyOptions {
  /** How long a value is fresh, from the end of its fetch; at least 0; default 60,000. */
  readonly ttlMs?: number;
  /** A stale value is the answer, and is fetched anew in the background; default true. */
  readonly staleWhileRevalidate?: boolean;
  /** A stale value is the answer when its fetch fails; default false. */
  readonly staleIfError?: boolean;
  /** How long after `ttlMs` a stale value may still be used; undefined: no limit. */
  readonly maxStaleMs?: number;
  /** Values kept, at least 1; default 1000. The least recently used goes first. */
  readonly maxEntries?: number;
}

/** CA-13. */
export interface CacheStats {
  readonly size: number;
}

class Entry implements Link<Entry> {
  before: Entry | undefined;
  after: Entry | undefined;

  constructor(
    readonly key: string,
    readonly value: unknown,
    readonly fetched: number,
  ) {}
}

/** A caller that waits for another's fetch; woken to take over (`true`) or to take the answer (`false`). */
interface Joiner {
  wake(leads: boolean): void;
}

/** How a fetch ended. `standsIn`: a stale value stands in for the error (CA-9). */
type Landed = { readonly value: unknown; readonly standsIn: boolean } | { readonly error: unknown };

/** A fetch under way, and who waits for it. */
class Flight {
  readonly joiners = new Set<Joiner>();
  valid = true;
  landed: Landed | undefined;

  constructor(readonly key: string) {}
}

class Store {
  readonly entries = new Map<string, Entry>();
  /** The least recently used first. */
  readonly #order = new Chain<Entry>();
  readonly flights = new Map<string, Flight>();

  constructor(
    private readonly ttl: number,
    private readonly maxStale: number | undefined,
    private readonly maxEntries: number,
    private readonly revalidate: boolean,
    private readonly ifError: boolean,
  ) {}

  /** The entry that answers a read, if there is one; it is used by that. */
  read(key: string, now: number): Entry | undefined {
    const entry = this.entries.get(key);
    if (entry === undefined) return undefined;
    if (!this.isFresh(entry, now) && !(this.revalidate && this.#isUsable(entry, now))) return undefined;
    this.#use(entry);
    return entry;
  }

  isFresh(entry: Entry, now: number): boolean {
    return now - entry.fetched < this.ttl;
  }

  /** A new flight, for a key that has none under way. */
  depart(key: string): Flight {
    const flight = new Flight(key);
    this.flights.set(key, flight);
    return flight;
  }

  /** Ends a flight with a value; returns the key that was evicted for it. */
  land(flight: Flight, value: unknown, now: number): string | undefined {
    flight.landed = { value, standsIn: false };
    if (!flight.valid) return undefined;
    this.flights.delete(flight.key);
    this.#forget(flight.key);
    const entry = new Entry(flight.key, value, now);
    this.entries.set(flight.key, entry);
    this.#order.append(entry);
    const oldest = this.#order.first;
    if (oldest === undefined || this.entries.size <= this.maxEntries) return undefined;
    this.#forget(oldest.key);
    return oldest.key;
  }

  /** Ends a flight with an error. */
  crash(flight: Flight, error: unknown, now: number): Landed {
    flight.landed = { error };
    if (!flight.valid) return flight.landed;
    this.flights.delete(flight.key);
    const entry = this.entries.get(flight.key);
    if (this.ifError && entry !== undefined && this.#isUsable(entry, now)) {
      this.#use(entry);
      flight.landed = { value: entry.value, standsIn: true };
    }
    return flight.landed;
  }

  /** The fetch was cancelled: the first who waits takes over; without one the flight is over. */
  handOn(flight: Flight): void {
    const [joiner] = flight.joiners;
    if (joiner !== undefined) {
      flight.joiners.delete(joiner);
      joiner.wake(true);
    } else if (flight.valid) {
      this.flights.delete(flight.key);
    }
  }

  /** CA-11. */
  drop(key: string): void {
    this.#forget(key);
    const flight = this.flights.get(key);
    if (flight !== undefined) flight.valid = false;
    this.flights.delete(key);
  }

  #isUsable(entry: Entry, now: number): boolean {
    return this.maxStale === undefined || now - entry.fetched < this.ttl + this.maxStale;
  }

  /** Puts an entry last in the order of use. */
  #use(entry: Entry): void {
    if (entry === this.#order.last) return;
    this.#order.remove(entry);
    this.#order.append(entry);
  }

  #forget(key: string): void {
    const entry = this.entries.get(key);
    if (entry === undefined) return;
    this.entries.delete(key);
    this.#order.remove(entry);
  }
}

/**
 * Answers from memory while a value is fresh, and, where asked to, while it is stale. Calls take a `key`; a call without one
 * passes the cache by.
 *
 * @throws ConfigurationError for an option outside its range.
 */
export class Cache extends Policy {
  readonly #store: Store;
  readonly #refreshes = new Set<AbortableCall>();

  constructor(options: CacheOptions = {}) {
    super('cache', options);
    known('cache', options, [...POLICY_OPTIONS, 'ttlMs', 'staleWhileRevalidate', 'staleIfError', 'maxStaleMs', 'maxEntries']);
    this.#store = new Store(
      microseconds('cache.ttl_ms', options.ttlMs ?? 60_000, 0),
      optionalMicroseconds('cache.max_stale_ms', options.maxStaleMs, 0),
      integer('cache.max_entries', options.maxEntries ?? 1000, 1),
      boolean('cache.stale_while_revalidate', options.staleWhileRevalidate ?? true),
      boolean('cache.stale_if_error', options.staleIfError ?? false),
    );
  }

  /** How many values are kept (CA-13). */
  stats(): CacheStats {
    return { size: this.#store.entries.size };
  }

  /** Forgets a value; a fetch of it that is under way stores nothing (CA-11). */
  invalidate(key: string): void {
    this.#store.drop(key);
    this.listeners.emit({ type: 'cache_invalidated', policy: this.name, key });
  }

  /** Forgets all values, as `invalidate`. */
  clear(): void {
    for (const key of [...this.#store.entries.keys(), ...this.#store.flights.keys()]) this.#store.drop(key);
    this.listeners.emit({ type: 'cache_invalidated', policy: this.name });
  }

  /** Cancels the refreshes under way (CA-12). */
  close(): void {
    for (const refresh of [...this.#refreshes]) refresh.abort(new CancelledError(this.name, undefined));
  }

  /** @internal */
  run<T>(operation: Operation<T>, call: Call): Promise<T> {
    const { key } = call;
    if (key === undefined) return start(operation, call);
    const now = microsecondsNow(this.clock);
    const entry = this.#store.read(key, now);
    if (entry === undefined) return this.#miss(key, operation, call);
    if (this.#store.isFresh(entry, now)) {
      this.#emit('cache_hit', key);
    } else {
      this.#emit('cache_stale_hit', key);
      this.#refresh(key, operation, call.operation);
    }
    return Promise.resolve(entry.value as T);
  }

  async #miss<T>(key: string, operation: Operation<T>, call: Call): Promise<T> {
    const underWay = this.#store.flights.get(key);
    const flight = underWay ?? this.#store.depart(key);
    this.#emit('cache_miss', key);
    if (underWay !== undefined && !(await this.#join(underWay, call))) return this.#answer(underWay) as T;
    return await this.#lead(flight, operation, call);
  }

  /** Waits for a flight; returns whether this caller has to fetch itself now (CA-5). */
  async #join(flight: Flight, call: Call): Promise<boolean> {
    const end = await new Promise<'leads' | 'answered' | 'cancelled'>((resolve) => {
      const joiner: Joiner = {
        wake: (leads) => {
          unsubscribe();
          resolve(leads ? 'leads' : 'answered');
        },
      };
      flight.joiners.add(joiner);
      const unsubscribe = call.onAbort(() => {
        if (flight.joiners.delete(joiner)) resolve('cancelled');
      });
    });
    if (end === 'leads' && call.aborted) this.#store.handOn(flight);
    if (end === 'cancelled' || (end === 'leads' && call.aborted)) throw new CancelledError(this.name, call.reason);
    return end === 'leads';
  }

  async #lead<T>(flight: Flight, operation: Operation<T>, call: Call): Promise<T> {
    let value: T;
    try {
      value = await operation(call);
    } catch (error) {
      if (isCancellation(error, call)) {
        this.#store.handOn(flight);
        throw error;
      }
      const landed = this.#store.crash(flight, error, microsecondsNow(this.clock));
      this.#wakeAll(flight);
      if ('standsIn' in landed && landed.standsIn) this.#emit('cache_refresh_failed', flight.key, { error });
      return this.#answer(flight) as T;
    }
    const evicted = this.#store.land(flight, value, microsecondsNow(this.clock));
    this.#wakeAll(flight);
    if (evicted !== undefined) this.#emit('cache_evicted', evicted);
    return value;
  }

  /** Starts a refresh in the background, unless a fetch of the key is under way (CA-7). */
  #refresh(key: string, operation: Operation<unknown>, innermost: Operation<unknown>): void {
    if (this.#store.flights.has(key)) return;
    const flight = this.#store.depart(key);
    const call = new AbortableCall(new Call(key, undefined, innermost));
    this.#refreshes.add(call);
    void this.#runRefresh(flight, operation, call).finally(() => this.#refreshes.delete(call));
  }

  /** Never rejects. */
  async #runRefresh(flight: Flight, operation: Operation<unknown>, call: AbortableCall): Promise<void> {
    let value: unknown;
    try {
      value = await operation(call);
    } catch (error) {
      if (isCancellation(error, call)) {
        this.#store.handOn(flight);
        return;
      }
      this.#store.crash(flight, error, microsecondsNow(this.clock));
      this.#wakeAll(flight);
      if (flight.valid) this.#emit('cache_refresh_failed', flight.key, { error });
      return;
    }
    const evicted = this.#store.land(flight, value, microsecondsNow(this.clock));
    this.#wakeAll(flight);
    if (flight.valid) this.#emit('cache_refreshed', flight.key);
    if (evicted !== undefined) this.#emit('cache_evicted', evicted);
  }

  #wakeAll(flight: Flight): void {
    const joiners = [...flight.joiners];
    flight.joiners.clear();
    for (const joiner of joiners) joiner.wake(false);
  }

  /** What a landed flight gives each of its callers. */
  #answer(flight: Flight): unknown {
    const { landed } = flight;
    if (landed === undefined) throw new Error('a flight wakes its callers when it has landed');
    if ('error' in landed) throw landed.error;
    if (landed.standsIn) this.#emit('cache_stale_hit', flight.key);
    return landed.value;
  }

  #emit(type: EventType, key: string, error: { error?: unknown } = {}): void {
    if (!this.listeners.empty) this.listeners.emit({ type, policy: this.name, key, ...error });
  }
}
