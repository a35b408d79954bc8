/** Composition: several policies as one, in any order (CO). */

import { Bulkhead } from './bulkhead.js';
import type { Call, Operation } from './call.js';
import { ConfigurationError } from './errors.js';
import type { Listener } from './events.js';
import { Layer, Policy } from './policy.js';
import { Timeout } from './timeout.js';

/** Policies around an operation, the first outermost. Made by `compose`. */
export class Composition extends Layer {
  readonly name: string;
  readonly #layers: readonly (<T>(operation: Operation<T>, call: Call) => Promise<T>)[];

  constructor(readonly policies: readonly Policy[]) {
    super();
    this.name = policies[0]?.name ?? '';
    let abandons = false;
    this.#layers = [...policies].reverse().map((policy) => {
      if (policy instanceof Timeout && policy.mode === 'abandon') abandons = true;
      // A bulkhead keeps the slots of abandoned operations only where a timeout inside may abandon any (BH-7).
      return policy instanceof Bulkhead && abandons ? policy.runHolding.bind(policy) : policy.run.bind(policy);
    });
  }

  /** @internal */
  run<T>(operation: Operation<T>, call: Call): Promise<T> {
    let inner = operation;
    for (const layer of this.#layers) {
      const next = inner;
      inner = (context) => layer(next, context as Call);
    }
    return inner(call) as Promise<T>;
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
