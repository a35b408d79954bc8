/** Which errors a retry takes up: the text of an error, and patterns over it (RT-6, RT-7). */

import { ConfigurationError, ResilienceError } from './errors.js';

/** A compiled pattern: a RegExp, or one of another engine with the same method. */
export interface CompiledPattern {
  test(text: string): boolean;
}

/** A string (contained; `"/.../"`: searched as a regex), a RegExp, or `{regex}`. */
export type Pattern = string | RegExp | { readonly regex: string };

export type Compile = (source: string) => CompiledPattern;

/** By which names fetch's implementation reports what elsewhere is a system error. */
const CODE_OF_UNDICI: Record<string, string> = {
  UND_ERR_SOCKET: 'ECONNRESET',
  UND_ERR_CONNECT_TIMEOUT: 'ETIMEDOUT',
  UND_ERR_HEADERS_TIMEOUT: 'ETIMEDOUT',
  UND_ERR_BODY_TIMEOUT: 'ETIMEDOUT',
};

/** Those of the statuses that mean a failure (RFC 9110, 6585 and others). */
const PHRASES: Record<number, string> = {
  400: 'Bad Request',
  401: 'Unauthorized',
  402: 'Payment Required',
  403: 'Forbidden',
  404: 'Not Found',
  405: 'Method Not Allowed',
  406: 'Not Acceptable',
  407: 'Proxy Authentication Required',
  408: 'Request Timeout',
  409: 'Conflict',
  410: 'Gone',
  411: 'Length Required',
  412: 'Precondition Failed',
  413: 'Content Too Large',
  414: 'URI Too Long',
  415: 'Unsupported Media Type',
  416: 'Range Not Satisfiable',
  417: 'Expectation Failed',
  418: "I'm a teapot",
  421: 'Misdirected Request',
  422: 'Unprocessable Content',
  423: 'Locked',
  424: 'Failed Dependency',
  425: 'Too Early',
  426: 'Upgrade Required',
  428: 'Precondition Required',
  429: 'Too Many Requests',
  431: 'Request Header Fields Too Large',
  451: 'Unavailable For Legal Reasons',
  500: 'Internal Server Error',
  501: 'Not Implemented',
  502: 'Bad Gateway',
  503: 'Service Unavailable',
  504: 'Gateway Timeout',
  505: 'HTTP Version Not Supported',
  506: 'Variant Also Negotiates',
  507: 'Insufficient Storage',
  508: 'Loop Detected',
  510: 'Not Extended',
  511: 'Network Authentication Required',
};

type Fields = Record<string, unknown>;

function fieldsOf(value: unknown): Fields {
  return typeof value === 'object' && value !== null ? (value as Fields) : {};
}

/** The error, then its causes and the errors it gathers; each once. */
function chain(error: unknown, seen = new Set<unknown>()): Set<unknown> {
  if (error === undefined || error === null || seen.has(error)) return seen;
  seen.add(error);
  const { cause, errors } = fieldsOf(error);
  chain(cause, seen);
  if (Array.isArray(errors)) for (const one of errors) chain(one, seen);
  return seen;
}

/** The symbolic code of a system error: `ECONNRESET`. */
function osCode(error: unknown): string | undefined {
  if (error instanceof ResilienceError) return undefined;
  const { code } = fieldsOf(error);
  if (typeof code !== 'string') return undefined;
  return CODE_OF_UNDICI[code] ?? (/^E[A-Z0-9_]+$/.test(code) ? code : undefined);
}

function httpStatus(error: unknown): number | undefined {
  const { status, statusCode, response } = fieldsOf(error);
  return [status, statusCode, fieldsOf(response)['status'], fieldsOf(response)['statusCode']].find(
    (value): value is number => typeof value === 'number' && value >= 100 && value <= 599,
  );
}

/** Milliseconds an error asks to wait: its property `retryAfterMs`. */
export function retryAfterHint(error: unknown): number | undefined {
  const { retryAfterMs } = fieldsOf(error);
  return typeof retryAfterMs === 'number' && retryAfterMs >= 0 ? retryAfterMs : undefined;
}

/** What patterns are matched against (RT-7). */
export function errorText(error: unknown): string {
  const parts = [error instanceof Error ? error.message : String(error)];
  if (error instanceof Error) parts.push(error.constructor.name);
  for (const link of chain(error)) {
    const code = osCode(link);
    if (code !== undefined) parts.push(code);
    const status = httpStatus(link);
    if (status !== undefined) parts.push(`${status} ${PHRASES[status] ?? ''}`);
  }
  return parts.join('\n');
}

/** The regex of `"/.../"` or `{regex}`; undefined for another pattern. */
export function regexSource(pattern: unknown): string | undefined {
  if (typeof pattern === 'string') return /^\/(.+)\/$/s.exec(pattern)?.[1];
  if (pattern instanceof RegExp) return undefined;
  const { regex } = fieldsOf(pattern);
  return typeof regex === 'string' ? regex : undefined;
}

/** Compiles a list of patterns into one question. */
export function buildMatcher(
  path: string,
  patterns: unknown,
  compile: Compile = (source) => new RegExp(source),
): (error: unknown) => boolean {
  if (!Array.isArray(patterns)) throw new ConfigurationError('type', path, patterns, 'a list of patterns');
  const strings: string[] = [];
  const regexes: CompiledPattern[] = [];
  patterns.forEach((pattern: unknown, index) => {
    const at = `${path}[${index}]`;
    const source = regexSource(pattern);
    if (source !== undefined) regexes.push(compiled(at, source, compile));
    else if (typeof pattern === 'string') strings.push(pattern);
    // A pattern with the flag g would go on from where it stopped: a copy without it does not.
    else if (pattern instanceof RegExp) regexes.push(new RegExp(pattern.source, pattern.flags.replace(/[gy]/g, '')));
    else throw new ConfigurationError('type', at, pattern, 'a string, a RegExp, or {regex}');
  });
  return (error) => {
    const text = errorText(error);
    return strings.some((part) => text.includes(part)) || regexes.some((regex) => regex.test(text));
  };
}

function compiled(path: string, source: string, compile: Compile): CompiledPattern {
  try {
    return compile(source);
  } catch (error) {
    throw new ConfigurationError('regex', path, source, `a regular expression (${String(error)})`);
  }
}
