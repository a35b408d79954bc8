// The data of the page, as `traces.py` and `timeline.py` write it.

/** A place on the axis: the step's index, and milliseconds. @typedef {[number, number]} Place */
/** @typedef {{ from: Place, to?: Place, how: 'ok' | 'error' | 'cancelled' | 'running' }} Attempt */
/** @typedef {{ id: string, at: number, tries: Attempt[], signals: Place[], end?: Place, how: 'ok' | 'error' | 'pending', says?: string, more?: string }} Call */
/** @typedef {{ name: string, states: [number, number, string][] }} Band */
/** Step, milliseconds, type, policy, fields. @typedef {[number, number, string, string, string]} Happening */
/** @typedef {{ columns: number[], outcome: string, reasons?: string[], seen?: number, calls?: Call[], bands?: Band[], events?: Happening[], left?: number }} Lane */
/** Path and what is expected; where it was not seen so by all, what each lane saw, and how that is wrong.
 * @typedef {[string, string | null] | [string, string | null, (string | null)[], string[]]} Row */
/** @typedef {{ do: string, with?: string, at: number, rows?: Row[] }} Step */
/** @typedef {{ id: string, pattern: string, clauses: string[], why: string, place: string, subject: string, steps: Step[], lanes: Lane[],
 *   random?: number[], order?: string, whole?: { expected: string, seen: (string | null)[] } }} Trace */
/** @typedef {{ columns: string[], command: string, traces: Trace[] }} Data */

/** @type {Data} */
const DATA = JSON.parse(byId('data').textContent ?? '');

/** @param {string} id @returns {HTMLElement} */
function byId(id) {
  const found = document.getElementById(id);
  if (found === null) throw new Error(`no element ${id}`);
  return found;
}

/** @param {Lane} lane */
function languagesOf(lane) {
  return lane.columns.map((index) => DATA.columns[index]);
}

/** The outcome of a trace in a column. @param {Trace} trace @param {number} column */
function outcomeIn(trace, column) {
  const lane = trace.lanes.find((each) => each.columns.includes(column));
  if (lane === undefined) throw new Error(`no lane of column ${column}`);
  return lane.outcome;
}
