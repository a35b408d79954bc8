// The axis. Time jumps from 5 ms to a minute, and stands still while steps follow each other. So each step has a slot for each of its
// instants; between slots of different instants is a gap that grows with the logarithm of the time that passes.

/** @typedef {{ step: number, ms: number, x: number, width: number, fresh: boolean }} Slot */

const LETTER = 6.6;
const MARK = 13;
const SLOT = 30;

class Axis {
  /** @param {Trace} trace @param {number} room the width that is there */
  constructor(trace, room) {
    /** @type {Map<string, Slot>} */
    this.slots = new Map();
    const places = placesOf(trace);
    const marks = marksAt(trace);
    const changes = changesAt(trace);
    let x = 8;
    let before = 0;
    places.forEach(([step, ms], index) => {
      const fresh = index === 0 || ms !== before;
      if (index > 0) x += fresh ? 14 + 16 * Math.log10(1 + Math.max(0, ms - before)) : 3;
      const key = `${step} ${ms}`;
      const width = Math.max(SLOT, 8 + MARK * (marks.get(key) ?? 0), fresh ? LETTER * duration(ms).length + 8 : 0, changes.get(key) ?? 0);
      this.slots.set(key, { step, ms, x, width, fresh });
      x += width;
      before = ms;
    });
    // What is said at the end of a bar must fit behind the last slot.
    const tail = 120;
    const stretch = Math.min(3, Math.max(1, (room - tail) / (x + 8)));
    for (const slot of this.slots.values()) {
      slot.x *= stretch;
      slot.width *= stretch;
    }
    this.end = x * stretch;
    this.width = Math.max(this.end + tail, Math.min(room, this.end + tail + 60));
  }

  /** @param {Place | [number, number, ...unknown[]]} place */
  at(place) {
    const slot = this.slots.get(`${place[0]} ${place[1]}`);
    if (slot === undefined) throw new Error(`no slot at step ${place[0]}, ${place[1]} ms`);
    return slot;
  }

  /** From the first slot of a step to its last. @param {number} step @returns {[number, number]} */
  span(step) {
    const own = [...this.slots.values()].filter((slot) => slot.step === step);
    const last = own[own.length - 1];
    return own.length === 0 ? [0, 0] : [own[0].x, last.x + last.width];
  }

  /** The axis itself: steps by number, instants, and what passes between them. @param {Trace} trace */
  draw(trace) {
    const svg = drawing('svg', { class: 'axis', width: this.width, height: 44, 'aria-hidden': 'true' });
    trace.steps.forEach((step, index) => {
      const [from, to] = this.span(index);
      svg.append(drawing('g', { class: 'step', 'data-tip': `step ${index + 1}: ${step.do} ${step.with ?? ''}` },
        drawing('rect', { x: from, y: 1, width: to - from, height: 16, rx: 3 }),
        drawing('text', { x: (from + to) / 2, y: 13 }, String(index + 1))));
    });
    svg.append(drawing('path', { class: 'line', d: `M0 40H${this.end}` }));
    for (const slot of this.slots.values()) {
      if (slot.fresh) {
        svg.append(drawing('path', { class: 'tick', d: `M${slot.x} 36V44` }), drawing('text', { class: 'instant', x: slot.x, y: 32 }, duration(slot.ms)));
      }
    }
    return svg;
  }

  /** Lines through a lane of some height, where a new instant begins. @param {number} height */
  grid(height) {
    const fresh = [...this.slots.values()].filter((slot) => slot.fresh);
    return drawing('path', { class: 'grid', d: fresh.map((slot) => `M${slot.x} 0V${height}`).join('') });
  }
}

/** All places that something happens at, in order. @param {Trace} trace @returns {Place[]} */
function placesOf(trace) {
  /** @type {Map<string, Place>} */
  const places = new Map();
  const add = (/** @type {number} */ step, /** @type {number} */ ms) => places.set(`${step} ${ms}`, [step, ms]);
  trace.steps.forEach((step, index) => add(index, step.at));
  for (const lane of trace.lanes) {
    for (const call of lane.calls ?? []) {
      for (const place of [call.end, ...call.signals, ...call.tries.flatMap((each) => [each.from, each.to])]) {
        if (place !== undefined) add(place[0], place[1]);
      }
    }
    for (const event of lane.events ?? []) add(event[0], event[1]);
    for (const band of lane.bands ?? []) band.states.forEach(([step, ms], index) => index > 0 && add(step, ms));
  }
  return [...places.values()].sort((one, other) => one[0] - other[0] || one[1] - other[1]);
}

/** How many events a place has, in the lane where it has most. @param {Trace} trace */
function marksAt(trace) {
  /** @type {Map<string, number>} */
  const most = new Map();
  for (const lane of trace.lanes) {
    /** @type {Map<string, number>} */
    const own = new Map();
    for (const [step, ms] of lane.events ?? []) own.set(`${step} ${ms}`, (own.get(`${step} ${ms}`) ?? 0) + 1);
    for (const [key, count] of own) most.set(key, Math.max(count, most.get(key) ?? 0));
  }
  return most;
}

/** The width that the names of states need which begin and end at one place. @param {Trace} trace */
function changesAt(trace) {
  /** @type {Map<string, number>} */
  const widths = new Map();
  for (const band of trace.lanes.flatMap((lane) => lane.bands ?? [])) {
    /** @type {Map<string, number>} */
    const own = new Map();
    band.states.forEach(([step, ms, state], index) => {
      const next = band.states[index + 1];
      if (index > 0 && next !== undefined && next[0] === step && next[1] === ms) {
        own.set(`${step} ${ms}`, (own.get(`${step} ${ms}`) ?? 16) + nameWidth(state));
      }
    });
    for (const [key, width] of own) widths.set(key, Math.max(width, widths.get(key) ?? 0));
  }
  return widths;
}

/** @param {string} state */
function nameWidth(state) {
  return LETTER * state.length + 12;
}

/** Exact: 400 ms, 1.5 s, 60 s. @param {number} ms */
function duration(ms) {
  return ms < 1000 ? `${ms} ms` : `${ms / 1000} s`;
}
