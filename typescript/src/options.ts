/** Checks of options: each returns the value, or throws ConfigurationError (GN-16, GN-17). */

import { ConfigurationError } from './errors.js';

export const MAXIMUM = 2_147_483_647;

/** Milliseconds as whole microseconds, at least `minimumMs`. */
export function microseconds(path: string, value: unknown, minimumMs: number): number {
  return Math.round(number(path, value, minimumMs, MAXIMUM) * 1000);
}

/** As `microseconds`, where undefined means that there is no limit. */
export function optionalMicroseconds(path: string, value: unknown, minimumMs: number): number | undefined {
  return value === undefined ? undefined : microseconds(path, value, minimumMs);
}

/** A whole number in a range. */
export function integer(path: string, value: unknown, minimum: number, maximum = MAXIMUM): number {
  if (typeof value !== 'number' || !Number.isInteger(value)) {
    throw new ConfigurationError('type', path, value, 'a whole number');
  }
  return inRange(path, value, minimum, maximum);
}

/** A number in a range, which leaves out the minimum itself where `aboveMinimum`. */
export function number(path: string, value: unknown, minimum: number, maximum: number, aboveMinimum = false): number {
  if (typeof value !== 'number') throw new ConfigurationError('type', path, value, 'a number');
  if (aboveMinimum && value === minimum) {
    throw new ConfigurationError('range', path, value, `above ${minimum} to ${maximum}`);
  }
  return inRange(path, value, minimum, maximum);
}

function inRange(path: string, value: number, minimum: number, maximum: number): number {
  // Written so that NaN fails too.
  if (!(value >= minimum && value <= maximum)) {
    throw new ConfigurationError('range', path, value, `${minimum} to ${maximum}`);
  }
  return value;
}

/** True or false. */
export function boolean(path: string, value: unknown): boolean {
  if (typeof value !== 'boolean') throw new ConfigurationError('type', path, value, 'true or false');
  return value;
}

/** One of a few words. */
export function word<W extends string>(path: string, value: unknown, allowed: readonly W[]): W {
  if (typeof value !== 'string') throw new ConfigurationError('type', path, value, `one of ${allowed.join(', ')}`);
  const found = allowed.find((one) => one === value);
  if (found === undefined) throw new ConfigurationError('enum', path, value, `one of ${allowed.join(', ')}`);
  return found;
}

/** Something that can be called. */
export function callable<F>(path: string, value: F): F {
  if (typeof value !== 'function') throw new ConfigurationError('type', path, value, 'a function');
  return value;
}

/** As `callable`, where undefined means that there is none. */
export function optionalCallable<F>(path: string, value: F | undefined): F | undefined {
  return value === undefined ? undefined : callable(path, value);
}

/** Something with members. */
export function mapping(path: string, value: unknown, allowed = 'a mapping of options'): void {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new ConfigurationError('type', path, value, allowed);
  }
}

/** Refuses names that are no options: a misspelt option must not be silently without effect. */
export function known(path: string, options: object, names: readonly string[]): void {
  mapping(path, options);
  for (const name of Object.keys(options)) {
    if (!names.includes(name)) {
      throw new ConfigurationError('unknown_key', `${path}.${name}`, name, `one of ${names.join(', ')}`);
    }
  }
}
