// A lane: what one language saw, or several alike. Bands of states, a row for each call, and a row of events.

const BAND = 22;
const CALL = 30;
const EVENTS = 28;

/** Families of events have a shape each; the colour is not needed to tell them apart. */
const SHAPES = {
  circuit: 'M-5-5h10v10h-10z',
  retry: 'M0-6L5.5 4.5H-5.5z',
  bulkhead: 'M0-6.5L6.5 0L0 6.5L-6.5 0z',
  timeout: 'M-5.5 0a5.5 5.5 0 1 0 11 0a5.5 5.5 0 1 0-11 0z',
  cache: 'M-5.5-4.5H5.5L0 6z',
  fallback: 'M-5.5-2h3.5v-3.5h4v3.5h3.5v4h-3.5v3.5h-4v-3.5h-3.5z',
  health: 'M-6-2.5L0-6.5L6-2.5L3.5 5h-7z',
};

/** @param {string} type @returns {keyof typeof SHAPES} */
function familyOf(type) {
  if (type.startsWith('retry')) return 'retry';
  if (type.startsWith('bulkhead')) return 'bulkhead';
  if (type.startsWith('cache')) return 'cache';
  if (type.startsWith('fallback')) return 'fallback';
  if (type.startsWith('health')) return 'health';
  return ['timed_out', 'call_abandoned', 'late_outcome'].includes(type) ? 'timeout' : 'circuit';
}

/** Where a lane is wrong or unlike the others: what of it, by step. @param {Trace} trace @param {Lane} lane @returns {{ step: number, part: string, how: string }[]} */
function differencesOf(trace, lane) {
  const seen = lane.seen;
  if (seen === undefined) return [];
  return trace.steps.flatMap((step, index) => (step.rows ?? []).flatMap((row) => {
    const how = row[3]?.[seen];
    return how ? [{ step: index, part: row[0], how }] : [];
  }));
}

/** @param {Trace} trace @param {Lane} lane @param {Axis} axis */
function drawLane(trace, lane, axis) {
  const bands = lane.bands ?? [];
  const calls = lane.calls ?? [];
  const events = lane.events ?? [];
  const height = 6 + BAND * bands.length + CALL * calls.length + (events.length > 0 ? EVENTS : 0) + 4;
  const differences = differencesOf(trace, lane);
  const svg = drawing('svg', { class: 'drawn', width: axis.width, height, role: 'img', 'aria-label': `${languagesOf(lane).join(', ')}: ${spoken(lane)}` });
  for (const step of new Set(differences.map((each) => each.step))) {
    const [from, to] = axis.span(step);
    const said = differences.filter((each) => each.step === step).map((each) => each.part).join(', ');
    svg.append(drawing('rect', { class: 'difference', x: from - 2, y: 0, width: to - from + 4, height, 'data-tip': `differs at step ${step + 1}: ${said}` }));
  }
  svg.append(axis.grid(height));
  const gutter = element('div', { class: 'gutter', 'aria-hidden': 'true' });
  let y = 6;
  /** @param {string} text @param {number} tall @param {string} path */
  const name = (text, tall, path) => {
    const wrong = differences.some((each) => each.part.startsWith(path));
    gutter.append(element('span', { style: `top:${y}px;height:${tall}px;line-height:${tall}px`, class: wrong ? 'wrong' : '', title: text }, wrong ? `≠ ${text}` : text));
  };
  for (const band of bands) {
    name(band.name, BAND, `policies.${band.name}.`);
    svg.append(drawBand(band, axis, y));
    y += BAND;
  }
  for (const call of calls) {
    name(call.id, CALL, `calls.${call.id}.`);
    svg.append(drawCall(trace, call, axis, y));
    y += CALL;
  }
  if (events.length > 0) {
    name('events', EVENTS, 'events');
    svg.append(drawEvents(events, axis, y + EVENTS / 2));
  }
  return element('div', { class: 'lane-drawing', style: `height:${height}px` }, gutter, svg);
}

/** @param {Band} band @param {Axis} axis @param {number} y */
function drawBand(band, axis, y) {
  const group = drawing('g', { class: 'band' });
  const begins = beginsOf(band, axis);
  band.states.forEach(([, ms, state], index) => {
    const from = begins[index];
    const to = begins[index + 1] ?? axis.end;
    const text = nameWidth(state) <= to - from + 4 ? state : state.split('_').map((word) => word[0]).join('');
    group.append(drawing('g', { class: `state-${state}`, 'data-tip': `${band.name}: ${state} from ${duration(ms)}` },
      drawing('rect', { x: from + 0.5, y: y + 2, width: Math.max(1, to - from - 1), height: BAND - 6, rx: 3 }),
      to - from > 14 && drawing('text', { x: from + 5, y: y + BAND - 8 }, text)));
  });
  return group;
}

/** Where each state begins. Those of one place follow each other, with room for their names. @param {Band} band @param {Axis} axis */
function beginsOf(band, axis) {
  /** @type {number[]} */
  const begins = [];
  band.states.forEach(([step, ms], index) => {
    const before = band.states[index - 1];
    if (before === undefined) begins.push(0);
    else if (index > 1 && before[0] === step && before[1] === ms) begins.push(begins[index - 1] + nameWidth(before[2]));
    else begins.push(axis.at([step, ms]).x + 8);
  });
  return begins;
}

/** @param {Trace} trace @param {Call} call @param {Axis} axis @param {number} y */
function drawCall(trace, call, axis, y) {
  const from = axis.at([call.at, trace.steps[call.at].at]);
  const to = call.end === undefined ? axis.end : end(axis.at(call.end));
  const says = call.how === 'pending' ? 'pending' : call.how === 'ok' ? `ok ${call.says ?? ''}` : `${call.says ?? ''}`;
  const told = [`call ${call.id}`, call.end === undefined ? 'pending' : `ended at ${duration(call.end[1])}: ${says}`, call.more].filter(Boolean).join('; ');
  const group = drawing('g', { class: `call ${call.how}`, 'data-tip': told },
    drawing('rect', { class: 'whole', x: from.x + 2, y: y + 3, width: Math.max(6, to - from.x - 4), height: CALL - 7, rx: 4 }));
  call.tries.forEach((attempt, index) => {
    const start = axis.at(attempt.from).x + 6;
    const stop = attempt.to === undefined ? axis.end : end(axis.at(attempt.to)) - 4;
    group.append(drawing('rect', { class: `attempt ${attempt.how}`, x: start, y: y + CALL - 12, width: Math.max(4, stop - start), height: 5, rx: 2,
      'data-tip': `call ${call.id}, attempt ${index + 1}: from ${duration(attempt.from[1])}${attempt.to ? ` to ${duration(attempt.to[1])}` : ''}, ${attempt.how}` }));
  });
  for (const signal of call.signals) {
    const x = middle(axis.at(signal));
    group.append(drawing('path', { class: 'signal', d: `M${x - 4} ${y + CALL - 14}l8 8m0-8l-8 8`, 'data-tip': `call ${call.id}: told to stop at ${duration(signal[1])}` }));
  }
  const fits = says.length * LETTER + 14 <= to - from.x;
  group.append(drawing('text', { x: fits ? from.x + 8 : to + 3, y: y + (fits ? 15 : 18), class: fits ? 'inside' : 'behind' }, says.length > 40 ? `${says.slice(0, 39)}…` : says));
  return group;
}

/** @param {Happening[]} events @param {Axis} axis @param {number} y */
function drawEvents(events, axis, y) {
  const group = drawing('g', { class: 'events' });
  /** @type {Map<Slot, number>} */
  const placed = new Map();
  for (const event of events) {
    const slot = axis.at(event);
    const index = placed.get(slot) ?? 0;
    placed.set(slot, index + 1);
    const [, ms, type, policy, fields] = event;
    group.append(drawing('g', { class: `event ${familyOf(type)} ${toneOf(type)}`, transform: `translate(${slot.x + 10 + MARK * index} ${y})`, 'data-tip': `${duration(ms)} ${type} of ${policy}${fields ? `: ${fields}` : ''}` },
      drawing('rect', { class: 'hit', x: -MARK / 2, y: -EVENTS / 2, width: MARK, height: EVENTS }),
      drawing('path', { d: SHAPES[familyOf(type)] })));
  }
  return group;
}

/** @param {string} type */
function toneOf(type) {
  if (/failed|rejected|exhausted|timed_out|abandoned/.test(type)) return 'bad';
  return /succeeded|hit|refreshed|handed_over/.test(type) ? 'good' : 'plain';
}

/** @param {Slot} slot */
const middle = (slot) => slot.x + slot.width / 2;
/** @param {Slot} slot */
const end = (slot) => slot.x + slot.width;

/** A lane in one sentence; the tables below say all of it. @param {Lane} lane */
function spoken(lane) {
  const calls = (lane.calls ?? []).map((call) => `${call.id} ${call.how === 'pending' ? 'pending' : `${call.how} ${call.says ?? ''} at ${duration(call.end?.[1] ?? 0)}`}`);
  const bands = (lane.bands ?? []).map((band) => `${band.name} ${band.states.map((state) => state[2]).join(', then ')}`);
  return [...bands, ...calls, `${lane.events?.length ?? 0} events`].join('; ');
}
