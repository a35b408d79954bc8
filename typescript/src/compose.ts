/** Composition: several policies as one, in any order (CO). */

import { Bulkhead } from './bulkhead.js';
import { start, type Call, type Operation } from './call.js';
import { ConfigurationError } from './errors.js';
import type { Listener } from './events.js';
import { Layer, Policy } from './policy.js';
import { Timeout } from './timeout.js';

/** Policies around an operation, the first outermost. Made by `compose`. */
export class Composition extends Layer {
  readonly name: string;
  readonly #outermost: Operation<unknown>;

  constructor(readonly policies: readonly Policy[]) {
    super();
    this.name = policies[0]?.name ?? '';
    let abandons = false;
    // From inside to outside. Once for all calls: what differs from call to call travels in the call.
    let inner: Operation<unknown> = (call) => (call as Call).operation(call);
    for (const policy of [...policies].reverse()) {
      const next = inner;
      if (policy instanceof Timeout && policy.mode === 'abandon') abandons = true;
      // A bulkhead keeps the slots of abandoned operations only where a timeout inside may abandon any (BH-7).
      if (policy instanceof Bulkhead && abandons) inner = (call) => policy.runHolding(next, call as Call);
      else inner = (call) => policy.run(next, call as Call);
    }
    this.#outermost = inner;
  }

  /** @internal */
  begin(call: Call): Promise<unknown> {
    return start(this.#outermost, call);
  }

  addListener(listener: Listener): () => void {
    const removals = this.policies.map((policy) => policy.addListener(listener));
    return () => {
      for (const remove of removals) remove();
    };
  }
}

/**
 * Several policies as one, the first named outermost; compositions among them are unfolded.
 *
 * @throws ConfigurationError without any policy, or for something that is none.
 */
export function compose(...policies: readonly (Policy | Composition)[]): Composition {
  const flat = policies.flatMap((policy: unknown, index): readonly Policy[] => {
    if (policy instanceof Composition) return policy.policies;
    if (policy instanceof Policy) return [policy];
    throw new ConfigurationError('type', `compose[${index}]`, policy, 'a policy');
  });
  if (flat.length === 0) throw new ConfigurationError('range', 'compose', [], 'at least one policy');
  return new Composition(flat);
}
