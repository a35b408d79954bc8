// A trace, opened: what is built, the drawing, the steps with what must be seen, and all of it as tables.

/** @param {Trace} trace @param {HTMLElement} body */
function showTrace(trace, body) {
  body.append(facts(trace));
  for (const lane of trace.lanes) {
    if (lane.reasons !== undefined && lane.outcome !== 'skipped') {
      body.append(element('div', { class: `reasons ${lane.outcome.replace(' ', '-')}` },
        element('strong', {}, `${languagesOf(lane).join(', ')}: ${lane.outcome}`),
        element('ul', {}, ...lane.reasons.map((reason) => element('li', {}, reason)))));
    }
  }
  if (trace.steps.length > 0) body.append(figure(trace), stepsTable(trace));
  if (trace.whole !== undefined) body.append(wholeTable(trace, trace.whole));
  const observed = trace.lanes.filter((lane) => lane.seen !== undefined && trace.steps.length > 0);
  for (const lane of observed) body.append(tables(trace, lane));
}

/** @param {Trace} trace */
function facts(trace) {
  const replay = `${DATA.command} --id ${trace.id}`;
  return element('div', { class: 'facts' },
    element('dl', {},
      element('dt', {}, 'Place'), element('dd', {}, element('code', {}, trace.place)),
      element('dt', {}, 'Clauses'), element('dd', {}, ...trace.clauses.map((clause) => element('a', { class: 'clause-id', href: `#traces?clause=${clause}` }, clause))),
      ...(trace.random === undefined ? [] : [element('dt', {}, 'Random'), element('dd', {}, trace.random.join(', '))]),
      ...(trace.order === undefined ? [] : [element('dt', {}, 'Order'), element('dd', {}, 'of events at one instant is free')]),
      element('dt', {}, 'Replay'), element('dd', {}, element('code', {}, replay))),
    element('div', { class: 'subject' }, element('h4', {}, 'Subject'), element('pre', { tabindex: 0 }, trace.subject)));
}

/** @param {Trace} trace */
function figure(trace) {
  const area = element('div', { class: 'scroll timeline', role: 'group', 'aria-label': `Timeline of ${trace.id}`, tabindex: 0 });
  const alike = trace.lanes.some((lane) => lane.columns.length > 1 && lane.calls !== undefined);
  let apart = false;
  let drawnFor = 0;
  const draw = () => {
    drawnFor = area.clientWidth;
    const gutter = drawnFor < 500 ? 92 : 148;
    area.style.setProperty('--gutter', `${gutter}px`);
    const axis = new Axis(trace, drawnFor - gutter - 2);
    const lanes = apart ? trace.lanes.flatMap((lane) => lane.columns.map((column) => ({ ...lane, columns: [column] }))) : trace.lanes;
    area.replaceChildren(element('div', { class: 'axis-row' }, element('div', { class: 'gutter corner', 'aria-hidden': 'true' }, 'step', element('br'), 'time'), axis.draw(trace)), ...lanes.map((lane) => laneOf(trace, lane, axis)));
  };
  const button = element('button', { type: 'button', 'aria-pressed': 'false' }, 'Show languages apart');
  button.addEventListener('click', () => {
    apart = !apart;
    button.setAttribute('aria-pressed', String(apart));
    draw();
  });
  new ResizeObserver(() => area.clientWidth !== drawnFor && area.clientWidth > 0 && draw()).observe(area);
  return element('figure', {}, element('div', { class: 'tools' }, element('h4', {}, 'Timeline'), alike && button), area);
}

/** @param {Trace} trace @param {Lane} lane @param {Axis} axis */
function laneOf(trace, lane, axis) {
  const names = languagesOf(lane).join(', ');
  const left = lane.left ? `; ${lane.left} left behind` : '';
  const title = element('p', { class: 'lane-title' }, element('strong', {}, names), lane.columns.length > 1 ? ' alike ' : ' ',
    element('span', { class: `chip ${lane.outcome.replace(' ', '-')}` }, lane.outcome + left));
  if (lane.calls === undefined) return element('div', { class: 'lane absent' }, title, element('p', { class: 'absence' }, (lane.reasons ?? []).join('; ')));
  return element('div', { class: 'lane' }, title, drawLane(trace, lane, axis));
}

/** @param {Trace} trace */
function stepsTable(trace) {
  const seen = trace.lanes.filter((lane) => lane.seen !== undefined);
  const differs = trace.steps.some((step) => step.rows?.some((row) => row.length > 2));
  const header = ['Step', 'At', 'What', 'Must be seen', ...(differs ? seen.map((lane) => languagesOf(lane).join(', ')) : [])];
  const rows = trace.steps.flatMap((step, index) => {
    const head = [String(index + 1), duration(step.at), [element('b', {}, step.do), ' ', step.with && element('code', {}, step.with)]];
    const own = step.rows ?? [];
    if (!differs) return [[...head, expectations(own)]];
    const plain = own.filter((row) => row.length === 2);
    const apart = own.filter((row) => row.length > 2);
    return [
      [...head, expectations(plain), ...seen.map(() => (plain.length > 0 ? 'as expected' : ''))],
      ...apart.map((row) => [String(index + 1), '', '', [path(row[0]), ' ', row[1] === null ? element('i', {}, 'alike') : element('b', {}, row[1])], ...seen.map((lane) => cell(row, lane))]),
    ];
  });
  return element('div', { class: 'steps-table' }, element('h4', {}, 'Steps'), table(`Steps of ${trace.id}`, header, rows));
}

/** @param {Row[]} rows @returns {Child[]} */
function expectations(rows) {
  return rows.map((row) => element('div', { class: 'expected' }, path(row[0]), ' ', element('b', {}, row[1] ?? 'absent')));
}

/** @param {string} text */
function path(text) {
  return element('span', { class: 'path' }, text);
}

/** @param {Row} row @param {Lane} lane @returns {Child} */
function cell(row, lane) {
  if (row[2] === undefined || row[3] === undefined || lane.seen === undefined) return '';
  const mark = row[3][lane.seen];
  const says = row[2][lane.seen] ?? 'nothing';
  return mark ? element('span', { class: `saw ${mark}` }, `≠ ${says}`) : says;
}

/** @param {Trace} trace @param {{ expected: string, seen: (string | null)[] }} whole */
function wholeTable(trace, whole) {
  const wrong = trace.lanes.filter((lane) => lane.seen !== undefined && whole.seen[lane.seen] !== null);
  return element('div', { class: 'whole-trace' },
    element('div', {}, element('h4', {}, 'Must be seen'), element('pre', { tabindex: 0 }, whole.expected)),
    ...wrong.map((lane) => element('div', {}, element('h4', {}, `Seen in ${languagesOf(lane).join(', ')}`), element('pre', { tabindex: 0, class: 'wrong' }, whole.seen[lane.seen ?? 0] ?? ''))));
}

/** The drawing of a lane in words. @param {Trace} trace @param {Lane} lane */
function tables(trace, lane) {
  const names = languagesOf(lane).join(', ');
  const made = element('details', { class: 'plain' }, element('summary', {}, `Calls, states and events of ${names} as tables`));
  made.addEventListener('toggle', () => made.childElementCount === 1 && made.append(...tablesOf(trace, lane, names)), { once: true });
  return made;
}

/** @param {Trace} trace @param {Lane} lane @param {string} names */
function tablesOf(trace, lane, names) {
  const when = (/** @type {Place} */ place) => duration(place[1]);
  const calls = (lane.calls ?? []).map((call) => [call.id, `step ${call.at + 1}, ${duration(trace.steps[call.at].at)}`,
    call.tries.map((each) => `${when(each.from)} to ${each.to ? when(each.to) : '…'} ${each.how}`).join('; ') || 'none',
    call.signals.map(when).join(', ') || 'none', call.end ? when(call.end) : 'pending', [call.how === 'error' ? call.says : call.how, call.how === 'ok' ? call.says : call.more].filter(Boolean).join(': ')]);
  const states = (lane.bands ?? []).flatMap((band) => band.states.map(([step, ms, state], index) => [band.name, index === 0 ? 'from the beginning' : `step ${step + 1}, ${duration(ms)}`, state]));
  const events = (lane.events ?? []).map(([step, ms, type, policy, fields]) => [`step ${step + 1}, ${duration(ms)}`, type, policy, fields]);
  return [
    calls.length > 0 && table(`Calls of ${names}`, ['Call', 'Asked', 'Attempts', 'Told to stop', 'Ended', 'With'], calls),
    states.length > 0 && table(`States of ${names}`, ['Of', 'Since', 'State'], states),
    events.length > 0 && table(`Events of ${names}`, ['At', 'Event', 'Policy', 'Fields'], events),
  ].filter((each) => each !== false);
}
