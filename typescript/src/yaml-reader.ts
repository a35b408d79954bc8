/** Reads YAML as plain values with the line of each, and refuses what has no place in a configuration (PF-5 to PF-8). */

import { CST, Composer, LineCounter, Parser, isAlias, isMap, isScalar, isSeq, type Node, type Pair, type Scalar } from 'yaml';

import { show } from './errors.js';

const MAX_BYTES = 262_144;
const MAX_DEPTH = 16;
/** Within a key, whose levels do not count otherwise. */
const MAX_KEY_DEPTH = 100;
/** What YAML does not allow in a file. */
// eslint-disable-next-line no-control-regex -- control characters are what it looks for
const UNPRINTABLE = /[\0-\x08\x0b\x0c\x0e-\x1f\x7f-\x84\x86-\x9f\ufffe\uffff]/;

/** One fault of a file: a code of PF-7, the path, the line from 1, the value there, and what is allowed. */
export interface Fault {
  readonly code: string;
  readonly path: string;
  readonly line: number;
  readonly value: unknown;
  readonly allowed: string;
}

/** The fault as one line of text. */
export function describe({ code, path, line, value, allowed }: Fault): string {
  return `line ${line}: ${path || 'the file'}: ${show(value)} is not allowed: ${allowed} (${code})`;
}

/** The path of a key in the mapping at `path` (PF-8). */
export function join(path: string, key: string | number): string {
  if (typeof key === 'number') return `${path}[${key}]`;
  return path ? `${path}.${key}` : key;
}

/** The values of a file, the lines of its values and keys by path, and its faults. */
export interface Document {
  readonly value: unknown;
  readonly lines: ReadonlyMap<string, number>;
  readonly keyLines: ReadonlyMap<string, number>;
  readonly faults: Fault[];
}

/** Reads one document. With faults, its value is not to be used. */
export function readYaml(data: string | Uint8Array): Document {
  const bytes = typeof data === 'string' ? new TextEncoder().encode(data) : data;
  if (bytes.length > MAX_BYTES) {
    return failed({ code: 'too_large', path: '', line: 1, value: `${bytes.length} bytes`, allowed: `at most ${MAX_BYTES} bytes` });
  }
  let text: string;
  try {
    text = new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch {
    return failed({ code: 'syntax', path: '', line: lineOfBrokenByte(bytes), value: 'bytes', allowed: 'UTF-8' });
  }
  const unprintable = UNPRINTABLE.exec(text);
  if (unprintable !== null) return failed(notYaml(text.slice(0, unprintable.index).split('\n').length, unprintable[0]));
  const counter = new LineCounter();
  const tokens = [...new Parser(counter.addNewLine).parse(text)];
  const [first, second] = tokens.filter((token) => token.type === 'document');
  const deep = first && positionOfDeepNesting(first);
  if (deep !== undefined) return failed(tooDeep(counter.linePos(deep).line));
  // What follows the first document is not composed.
  const composer = new Composer({ uniqueKeys: false, schema: 'core' });
  const [document] = composer.compose(second === undefined ? tokens : tokens.slice(0, tokens.indexOf(second)));
  if (document === undefined) {
    return failed({ code: 'documents', path: '', line: 1, value: 'no document', allowed: 'one document' });
  }
  const walker = new Walker(text, counter);
  const error = document.errors[0];
  if (document.contents !== null) walker.walk(document.contents, '', 1);
  const alone = walker.faults.find(({ code }) => code === 'too_deep' || code === 'syntax');
  if (alone !== undefined) return failed(alone);
  if (error !== undefined) {
    const line = counter.linePos(error.pos[0]).line;
    return failed(notYaml(line, error.message.split('\n')[0]));
  }
  if (second !== undefined) {
    const { line } = counter.linePos(second.offset);
    if (!second.start.some(({ type }) => type === 'doc-start')) return failed(notYaml(line, 'a document without ---'));
    return failed({ code: 'documents', path: '', line, value: 'a second document', allowed: 'one document' });
  }
  return { value: walker.value, lines: walker.lines, keyLines: walker.keyLines, faults: walker.faults };
}

function failed(fault: Fault): Document {
  return { value: undefined, lines: new Map(), keyLines: new Map(), faults: [fault] };
}

function notYaml(line: number, value: unknown): Fault {
  return { code: 'syntax', path: '', line, value, allowed: 'YAML' };
}

function tooDeep(line: number): Fault {
  return { code: 'too_deep', path: '', line, value: `${MAX_DEPTH + 1} levels`, allowed: `at most ${MAX_DEPTH} levels` };
}

/** Where a document's nesting begins to be too deep that is so deep that composing it, which recurses, could exhaust the stack. */
function positionOfDeepNesting(document: CST.Document): number | undefined {
  let tooDeep: number | undefined;
  const left: { token: CST.Token | null | undefined; depth: number; isKey: boolean }[] = [];
  left.push({ token: document.value, depth: 1, isKey: false });
  for (let next = left.pop(); next !== undefined; next = left.pop()) {
    const { token, depth, isKey } = next;
    if (!CST.isCollection(token)) continue;
    if (depth > MAX_DEPTH && !isKey) tooDeep ??= token.offset;
    if (depth > MAX_KEY_DEPTH) return tooDeep ?? token.offset;
    for (const { key, value } of [...token.items].reverse()) {
      const within = isKey || CST.isCollection(key);
      left.push({ token: value, depth: depth + 1, isKey: within }, { token: key, depth: depth + 1, isKey: within });
    }
  }
  return undefined;
}

function lineOfBrokenByte(bytes: Uint8Array): number {
  // A lenient decoding marks the broken place; what stands before it is intact.
  const before = new TextDecoder('utf-8').decode(bytes).split('\uFFFD', 1)[0] ?? '';
  return before.split('\n').length;
}

/** Goes through the nodes of a document, down to the deepest level allowed. */
class Walker {
  readonly lines = new Map<string, number>();
  readonly keyLines = new Map<string, number>();
  readonly faults: Fault[] = [];
  value: unknown;

  constructor(
    private readonly text: string,
    private readonly counter: LineCounter,
  ) {}

  walk(node: Node, path: string, depth: number): unknown {
    this.value = this.#read(node, path, depth);
    return this.value;
  }

  #read(node: unknown, path: string, depth: number): unknown {
    const line = this.#line(node);
    if (path || !isScalar(node) || node.source) this.lines.set(path, line); // an empty document stands nowhere
    if (isAlias(node)) {
      this.#fault('alias', path, line, `*${node.source}`, 'no anchors and aliases: use extend');
      return null;
    }
    if (!isMap(node) && !isSeq(node) && !isScalar(node)) return null;
    this.#checkProperties(node, path);
    if (isScalar(node)) {
      if (/\p{Surrogate}/u.test(node.source ?? '')) this.faults.push(notYaml(line, 'half a character'));
      return valueOf(node);
    }
    if (depth > MAX_DEPTH) {
      this.faults.push(tooDeep(line));
      return null;
    }
    if (isSeq(node)) return node.items.map((item, index) => this.#read(item, join(path, index), depth + 1));
    const result = new Map<string, unknown>();
    for (const pair of node.items) this.#readPair(pair, path, depth, result);
    return Object.fromEntries(result);
  }

  #readPair(pair: Pair, path: string, depth: number, result: Map<string, unknown>): void {
    if (!isScalar(pair.key)) {
      const line = this.#line(pair.key);
      if (isAlias(pair.key)) this.#fault('alias', join(path, `*${pair.key.source}`), line, `*${pair.key.source}`, 'no anchors and aliases: use extend');
      else this.#fault('type', path, line, 'a collection as a key', 'keys that are strings');
      return;
    }
    const key = pair.key.source ?? String(pair.key.value);
    const at = join(path, key);
    const line = this.#line(pair.key);
    this.#checkProperties(pair.key, at);
    if (result.has(key)) this.#fault('duplicate_key', at, line, key, 'each key once');
    this.keyLines.set(at, line);
    result.set(key, pair.value === null ? null : this.#read(pair.value, at, depth + 1));
    if (pair.value === null) this.lines.set(at, line);
  }

  #checkProperties(node: Node, path: string): void {
    // They stand before the node, perhaps on another line.
    const lineOf = (mark: string) => this.counter.linePos(Math.max(0, this.text.lastIndexOf(mark, node.range?.[0]))).line;
    const { anchor, tag } = node as { anchor?: string; tag?: string };
    if (anchor !== undefined) this.#fault('alias', path, lineOf('&'), `&${anchor}`, 'no anchors and aliases: use extend');
    if (tag !== undefined) this.#fault('tag', path, lineOf('!'), tag, 'no tags');
  }

  #line(node: unknown): number {
    const range = (node as { range?: readonly number[] | null } | null)?.range;
    return range?.[0] === undefined ? 1 : this.counter.linePos(range[0]).line;
  }

  #fault(code: string, path: string, line: number, value: unknown, allowed: string): void {
    this.faults.push({ code, path, line, value, allowed });
  }
}

/** Plain scalars by YAML's core schema, which is the parser's; the numbers it makes are plain ones. */
function valueOf(node: Scalar): unknown {
  return typeof node.value === 'bigint' ? Number(node.value) : node.value;
}
