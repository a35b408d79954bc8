/** Provider files: the resilience of each provider from YAML or JSON (PF). Needs `yaml`, `ajv` and `re2js`. */

import { Ajv2020, type ErrorObject } from 'ajv/dist/2020.js';
import { RE2JS } from 're2js';

import type { Clock } from './clock.js';
import presetsText from './data/presets.yaml';
import schema from './data/providers.schema.json' with { type: 'json' };
import { ResilienceError } from './errors.js';
import type { Listener } from './events.js';
import { ResilienceFacade, type FacadeOptions } from './facade.js';
import { regexSource, type CompiledPattern } from './matching.js';
import { describe, join, readYaml, type Document, type Fault } from './yaml-reader.js';

export type { Fault } from './yaml-reader.js';

const SECTIONS = ['retry', 'timeout', 'circuit_breaker', 'bulkhead', 'cache'] as const;
const RATE_OPTIONS: Record<string, readonly string[]> = {
  count: ['size', 'minimum_calls', 'failure_rate'],
  time: ['duration_ms', 'buckets', 'minimum_calls', 'failure_rate'],
};
const WINDOW_OPTIONS = ['size', 'duration_ms', 'buckets', 'minimum_calls', 'failure_rate'];
const CODE_OF_KEYWORD: Record<string, string> = {
  type: 'type',
  minimum: 'range',
  maximum: 'range',
  exclusiveMinimum: 'range',
  enum: 'enum',
  required: 'required',
  additionalProperties: 'unknown_key',
};

type SectionName = (typeof SECTIONS)[number];
type Section = Record<string, unknown>;
type Sections = Record<SectionName, Section | null>;

/** A provider file is wrong: `faults` lists everything that is, in the order of the lines (PF-6). */
export class ProviderFileError extends ResilienceError {
  readonly code = 'configuration';

  constructor(
    source: string,
    readonly faults: readonly Fault[],
  ) {
    super(faults.map((fault) => `${source}: ${describe(fault)}`).join('\n'));
  }
}

/** A provider that is neither in the file nor a preset (PF-10). */
export class UnknownProviderError extends ResilienceError {
  readonly code = 'configuration';

  constructor(
    readonly provider: string,
    known: readonly string[],
  ) {
    super(`unknown provider "${provider}"; known are ${[...known].sort().join(', ')}`);
  }
}

/** The effective options of one provider. */
export class ProviderConfig {
  readonly #sections: Sections;

  constructor(
    readonly name: string,
    sections: Sections,
  ) {
    this.#sections = sections;
  }

  /** Every option with its effective value, under the names of the specification; a section that is off is null. */
  toJSON(): Record<string, Section | null> {
    return Object.fromEntries(SECTIONS.map((name) => [name, withDefaults(name, this.#sections[name])]));
  }

  /** As the options of `ResilienceFacade`; change them as you like before building one. */
  options(): FacadeOptions {
    const sections = this.#sections;
    const retry = sections.retry && { ...camelCased(sections.retry), compileRegex: compileRe2 };
    return {
      name: this.name,
      retry,
      timeout: camelCased(sections.timeout),
      circuitBreaker: camelCased(sections.circuit_breaker),
      bulkhead: camelCased(sections.bulkhead),
      cache: camelCased(sections.cache),
    };
  }

  /** A facade with these options, named after the provider. */
  facade<T = unknown>(options: { listeners?: readonly Listener[]; clock?: Clock } = {}): ResilienceFacade<T> {
    return new ResilienceFacade<T>({ ...this.options(), ...options });
  }
}

/** The providers of a file; the presets can be asked for as well. */
export class Providers {
  readonly #configs: ReadonlyMap<string, ProviderConfig>;
  readonly #presets: ReadonlyMap<string, ProviderConfig>;

  constructor(configs: ReadonlyMap<string, ProviderConfig>, presets: ReadonlyMap<string, ProviderConfig>) {
    this.#configs = configs;
    this.#presets = presets;
  }

  /** The names in the file. */
  get names(): string[] {
    return [...this.#configs.keys()];
  }

  /**
   * A provider of the file, or else the preset of that name.
   *
   * @throws UnknownProviderError when there is none.
   */
  provider(name: string): ProviderConfig {
    const config = this.#configs.get(name) ?? this.#presets.get(name);
    if (config === undefined) {
      throw new UnknownProviderError(name, [...new Set([...this.#configs.keys(), ...this.#presets.keys()])]);
    }
    return config;
  }
}

/**
 * Reads a provider file's text, YAML or JSON. `source` names it in errors.
 *
 * @throws ProviderFileError with every fault of the file.
 */
export function parseProviders(data: string | Uint8Array, source = 'providers'): Providers {
  const document = readYaml(data);
  const presetsRoot = presetSections();
  if (document.faults.length === 0) {
    document.faults.push(...schemaFaults(document));
    document.faults.push(...new Resolver(document, presetsRoot).faults());
  }
  if (document.faults.length > 0) throw new ProviderFileError(source, [...document.faults].sort(byLineAndPath));
  return new Providers(effective(document.value as Section, presetsRoot), presetConfigs());
}

/** The providers that come with the package: `zephyr` and `qtest` (PF-4). */
export function presets(): Providers {
  return new Providers(presetConfigs(), new Map());
}

function presetSections(): Section {
  return mapping(mapping(readYaml(presetsText).value)['providers']);
}

function presetConfigs(): Map<string, ProviderConfig> {
  return effective({ providers: presetSections() }, {});
}

function byLineAndPath(a: Fault, b: Fault): number {
  return a.line - b.line || (a.path < b.path ? -1 : a.path > b.path ? 1 : 0);
}

const validate = new Ajv2020({ allErrors: true, allowUnionTypes: true, verbose: true, strict: false }).compile(schema);

/** What the JSON Schema says, one fault for each place. */
function* schemaFaults(document: Document): Generator<Fault> {
  if (validate(document.value)) return;
  const seen = new Set<string>();
  for (const error of validate.errors ?? []) {
    // To the validator infinity is a whole number.
    const isInfinite = error.parentSchema?.['type'] === 'integer' && !Number.isInteger(error.data);
    const code = isInfinite ? 'type' : CODE_OF_KEYWORD[error.keyword];
    if (code === undefined) throw new Error(`the schema has the keyword ${error.keyword}, which no fault stands for`);
    let path = pathOf(document.value, error.instancePath);
    const line = code === 'unknown_key' ? document.keyLines : document.lines;
    let value: unknown = error.data;
    if (code === 'unknown_key') {
      value = String((error.params as { additionalProperty: unknown }).additionalProperty);
      path = join(path, String(value));
    }
    if (seen.has(path)) continue;
    seen.add(path);
    yield { code, path, line: line.get(path) ?? 1, value, allowed: allowed(error) };
  }
}

/** A JSON Pointer as a path of PF-8. */
function pathOf(root: unknown, pointer: string): string {
  let path = '';
  let value = root;
  for (const raw of pointer.split('/').slice(1)) {
    const part = raw.replaceAll('~1', '/').replaceAll('~0', '~');
    path = Array.isArray(value) ? join(path, Number(part)) : join(path, part);
    value = (value as Record<string, unknown>)[part];
  }
  return path;
}

function allowed(error: ErrorObject): string {
  const place = error.parentSchema ?? {};
  switch (CODE_OF_KEYWORD[error.keyword]) {
    case 'range':
      return `${'exclusiveMinimum' in place ? `above ${String(place['exclusiveMinimum'])}` : String(place['minimum'])} to ${String(place['maximum'])}`;
    case 'unknown_key':
      return `one of ${Object.keys(mapping(place['properties'])).join(', ')}`;
    case 'required':
      return `with ${(place['required'] as string[]).join(', ')}`;
    default:
      return [place[error.keyword]].flat().join(' or ');
  }
}

interface PlacedSections {
  readonly path: string;
  readonly sections: Section;
}

/** What the schema cannot say: inheritance, regexes, and options that exclude each other. */
class Resolver {
  readonly #document: Document;
  readonly #presets: Section;
  readonly #defaults: Section;
  readonly #providers: Map<string, Section>;
  readonly #reported: Set<string>;
  readonly #found: Fault[] = [];

  constructor(document: Document, presetsRoot: Section) {
    this.#document = document;
    this.#presets = presetsRoot;
    const root = mapping(document.value);
    this.#defaults = mapping(root['defaults']);
    this.#providers = new Map(Object.entries(mapping(root['providers'])).map(([name, body]) => [name, mapping(body)]));
    this.#reported = new Set(document.faults.map((fault) => fault.path));
  }

  faults(): Fault[] {
    const defaults = { path: 'defaults', sections: this.#defaults };
    this.#checkRegexes(defaults);
    this.#checkCircuit([defaults]);
    for (const [name, sections] of this.#providers) {
      this.#checkRegexes({ path: `providers.${name}`, sections });
      const layers = this.#layers(name);
      if (layers !== undefined) this.#checkCircuit(layers);
    }
    return this.#found;
  }

  /** A provider's mappings, its own first; undefined when `extend` is wrong. */
  #layers(name: string): PlacedSections[] | undefined {
    const layers: PlacedSections[] = [];
    const seen = new Set<string>();
    for (let current = name; ; ) {
      const sections = this.#providers.get(current) ?? {};
      const path = `providers.${current}`;
      layers.push({ path, sections });
      seen.add(current);
      const target = sections['extend'];
      if (typeof target !== 'string') return [...layers, { path: 'defaults', sections: this.#defaults }];
      if (this.#providers.has(target) && target !== current) {
        if (seen.has(target)) {
          if (target === name) this.#report('cyclic_extend', `providers.${name}.extend`, target, 'no way back to itself');
          return undefined;
        }
        current = target;
      } else if (target in this.#presets) {
        return [...layers, { path: '', sections: mapping(this.#presets[target]) }];
      } else if (target === current) {
        this.#report('cyclic_extend', `${path}.extend`, target, 'another provider');
        return undefined;
      } else {
        const known = [...this.#providers.keys(), ...Object.keys(this.#presets)].join(', ');
        this.#report('unknown_extend', `${path}.extend`, target, `one of ${known}`);
        return undefined;
      }
    }
  }

  #checkRegexes({ path, sections }: PlacedSections): void {
    const patterns = mapping(sections['retry'])['retryable_errors'];
    if (!Array.isArray(patterns)) return;
    patterns.forEach((pattern: unknown, index) => {
      const at = `${path}.retry.retryable_errors[${index}]${typeof pattern === 'object' ? '.regex' : ''}`;
      const regex = regexSource(pattern);
      if (regex === undefined) return;
      try {
        compileRe2(regex);
      } catch (error) {
        this.#report('regex', at, regex, `a regular expression of RE2 (${String(error)})`);
      }
    });
  }

  /** Cross-option checks on the effective circuit breaker, reported where the offending option is written. */
  #checkCircuit(layers: readonly PlacedSections[]): void {
    let circuit: Section = {};
    const places: Record<string, string> = {};
    for (const { path, sections } of [...layers].reverse()) {
      const section = sections['circuit_breaker'];
      circuit = section === null ? {} : merged(circuit, mapping(section));
      for (const option of Object.keys(mapping(section))) places[option] = `${path}.circuit_breaker.${option}`;
    }
    const window = mapping(circuit['window'] ?? { kind: 'consecutive' });
    const kind = window['kind'];
    if (kind !== 'consecutive' && kind !== 'cumulative' && kind !== 'count' && kind !== 'time') return;
    const rateOptions = RATE_OPTIONS[kind];
    for (const option of WINDOW_OPTIONS) {
      if (option in window && !rateOptions?.includes(option)) {
        this.#report('conflict', `${places['window']}.${option}`, window[option], `not with the window ${kind}`);
      }
    }
    if ('failure_threshold' in circuit && rateOptions !== undefined) {
      this.#report('conflict', places['failure_threshold'], circuit['failure_threshold'], `not with the window ${kind}`);
    }
    if ('slow_call' in circuit && rateOptions === undefined) {
      this.#report('conflict', places['slow_call'], circuit['slow_call'], 'only with the windows count and time');
    }
    const { size = 100, minimum_calls: minimum } = window;
    if (kind === 'count' && typeof size === 'number' && typeof minimum === 'number' && minimum > size) {
      this.#report('range', `${places['window']}.minimum_calls`, minimum, `1 to size (${size})`);
    }
    const maximum = mapping(circuit['reset_timeout_backoff'])['max_ms'];
    const reset = circuit['reset_timeout_ms'] ?? 30_000;
    if (typeof maximum === 'number' && typeof reset === 'number' && maximum < reset) {
      this.#report('range', `${places['reset_timeout_backoff']}.max_ms`, maximum, `at least reset_timeout_ms (${reset})`);
    }
  }

  /** Once for each place, and not where the schema has spoken. */
  #report(code: string, path: string | undefined, value: unknown, allowedText: string): void {
    if (path === undefined || this.#reported.has(path)) return;
    this.#reported.add(path);
    this.#found.push({ code, path, line: this.#document.lines.get(path) ?? 1, value, allowed: allowedText });
  }
}

/** PF-2 and PF-3, for a file without faults. */
function effective(root: Section, presetsRoot: Section): Map<string, ProviderConfig> {
  const own = mapping(root['providers']);
  const patternDefaults: Sections = { retry: {}, timeout: {}, circuit_breaker: {}, bulkhead: {}, cache: {} };
  const sectionsOf = (name: string, known: Section): Sections => {
    const provider = mapping(known[name]);
    const parent = provider['extend'];
    let inherited = patternDefaults;
    if (typeof parent === 'string') {
      inherited = parent !== name && parent in own ? sectionsOf(parent, own) : sectionsOf(parent, presetsRoot);
    } else if (known !== presetsRoot) {
      inherited = overlaid(patternDefaults, mapping(root['defaults']));
    }
    return overlaid(inherited, provider);
  };
  return new Map(Object.keys(own).map((name) => [name, new ProviderConfig(name, sectionsOf(name, own))]));
}

function overlaid(inherited: Sections, provider: Section): Sections {
  const result = { ...inherited };
  for (const name of SECTIONS) {
    if (!(name in provider)) continue;
    result[name] = provider[name] === null ? null : merged(inherited[name] ?? {}, mapping(provider[name]));
  }
  return result;
}

/** Option by option; a window given anew drops what is inherited and does not go with it (PF-2). */
function merged(inherited: Section, own: Section): Section {
  const result = { ...inherited, ...own };
  if ('window' in own) {
    const unfit = String(mapping(own['window'])['kind']) in RATE_OPTIONS ? 'failure_threshold' : 'slow_call';
    if (!(unfit in own)) return Object.fromEntries(Object.entries(result).filter(([option]) => option !== unfit));
  }
  return result;
}

interface OptionSchema {
  readonly default?: unknown;
  readonly properties?: Record<string, OptionSchema>;
}

function defaultsOf(properties: Record<string, OptionSchema> = {}): Section {
  return Object.fromEntries(
    Object.entries(properties).flatMap(([name, option]) => ('default' in option ? [[name, option.default]] : [])),
  );
}

/** The options with the defaults of the schema, and those that depend on others. */
function withDefaults(name: SectionName, options: Section | null): Section | null {
  if (options === null) return null;
  const properties = (schema.$defs[name] as OptionSchema).properties ?? {};
  const result: Section = { ...defaultsOf(properties), ...structuredClone(options) };
  if (name !== 'circuit_breaker') return result;
  result['half_open_max_concurrent'] ??= result['half_open_success_threshold'];
  const window = mapping(result['window']);
  const rateOptions = RATE_OPTIONS[String(window['kind'])];
  if (rateOptions !== undefined) {
    delete result['failure_threshold'];
    const defaults = defaultsOf(properties['window']?.properties);
    const filled: Section = { ...Object.fromEntries(rateOptions.map((option) => [option, defaults[option]])), ...window };
    if (window['kind'] === 'count' && !('minimum_calls' in window)) {
      filled['minimum_calls'] = Math.min(Number(filled['minimum_calls']), Number(filled['size']));
    }
    result['window'] = filled;
  }
  for (const option of ['slow_call', 'reset_timeout_backoff']) {
    if (option in result) result[option] = { ...defaultsOf(properties[option]?.properties), ...mapping(result[option]) };
  }
  return result;
}

function camelCased(section: Section): Section;
function camelCased(section: Section | null): Section | null;
function camelCased(section: Section | null): Section | null {
  if (section === null) return null;
  return Object.fromEntries(
    Object.entries(section).map(([name, value]) => [
      name.replace(/_([a-z])/g, (_, letter: string) => letter.toUpperCase()),
      typeof value === 'object' && value !== null && !Array.isArray(value) ? camelCased(value as Section) : value,
    ]),
  );
}

/** A regex with RE2's syntax, which matches in linear time (PF-9). */
function compileRe2(source: string): CompiledPattern {
  const regex = RE2JS.compile(source);
  return { test: (text) => regex.matcher(text).find() };
}

function mapping(value: unknown): Section {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Section) : {};
}
