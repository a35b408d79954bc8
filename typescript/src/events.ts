/** What policies report to listeners (EV-1). */

export type EventType =
  | 'call_admitted'
  | 'call_rejected'
  | 'call_succeeded'
  | 'call_failed'
  | 'call_ignored'
  | 'call_cancelled'
  | 'circuit_state_changed'
  | 'retry_scheduled'
  | 'retry_exhausted'
  | 'bulkhead_queued'
  | 'bulkhead_rejected'
  | 'bulkhead_handed_over'
  | 'timed_out'
  | 'call_abandoned'
  | 'late_outcome'
  | 'cache_hit'
  | 'cache_stale_hit'
  | 'cache_miss'
  | 'cache_refreshed'
  | 'cache_refresh_failed'
  | 'cache_evicted'
  | 'cache_invalidated'
  | 'fallback_used'
  | 'health_changed';

/** One event; fields that do not belong to its `type` are absent. */
export interface ResilienceEvent {
  readonly type: EventType;
  readonly policy: string;
  /** The error's object; present, though perhaps undefined, where an error is told of. */
  readonly error?: unknown;
  readonly state?: string;
  readonly generation?: number;
  readonly retryAfterMs?: number;
  readonly from?: string;
  readonly to?: string;
  readonly reason?: string;
  readonly attempt?: number;
  readonly delayMs?: number;
  readonly queueSize?: number;
  readonly timeoutMs?: number;
  readonly outcome?: 'success' | 'failure';
  readonly key?: string;
  readonly provider?: string;
}

export type Listener = (event: ResilienceEvent) => void;

/** An ordered list of listeners; `empty` spares the event where nobody listens (GN-13). */
export class Listeners {
  #all: readonly Listener[] = [];

  constructor(listeners: readonly Listener[] = []) {
    this.#all = [...listeners];
  }

  get empty(): boolean {
    return this.#all.length === 0;
  }

  /** Adds a listener; returns what removes it again, once. */
  add(listener: Listener): () => void {
    this.#all = [...this.#all, listener];
    let added = true;
    return () => {
      if (!added) return;
      added = false;
      const index = this.#all.indexOf(listener);
      this.#all = this.#all.filter((_, at) => at !== index);
    };
  }

  /** Calls every listener. One that throws is reported on the console, and changes nothing. */
  emit(event: ResilienceEvent): void {
    for (const listener of this.#all) {
      try {
        listener(event);
      } catch (error) {
        console.error(`skidbladnir: a listener failed on ${event.type} of ${event.policy}`, error);
      }
    }
  }
}
