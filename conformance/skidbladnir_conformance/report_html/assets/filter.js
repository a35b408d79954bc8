// Which traces are listed. The filter stands in the address, so that it can be linked to: #traces?pattern=cache&language=go

const FIELDS = /** @type {const} */ (['text', 'pattern', 'clause', 'language', 'outcome']);

/** @typedef {Record<typeof FIELDS[number], string>} Wanted */

const form = /** @type {HTMLFormElement} */ (byId('filter'));

/** The element of the trace with each index. @type {HTMLDetailsElement[]} */
const ENTRIES = [];
for (const entry of /** @type {NodeListOf<HTMLDetailsElement>} */ (document.querySelectorAll('details.trace'))) ENTRIES[Number(entry.dataset.index)] = entry;

const WORDS = DATA.traces.map((trace) => [trace.id, trace.why, trace.place, ...trace.clauses].join('\n').toLowerCase());

/** @param {Trace} trace @param {string} words @param {Wanted} wanted */
function isWanted(trace, words, wanted) {
  const columns = DATA.columns.map((_, index) => index).filter((index) => wanted.language === '' || DATA.columns[index] === wanted.language);
  return (wanted.pattern === '' || trace.pattern === wanted.pattern)
    && (wanted.clause === '' || trace.clauses.includes(wanted.clause))
    && (wanted.outcome === '' || columns.some((column) => outcomeIn(trace, column) === wanted.outcome))
    && wanted.text.toLowerCase().split(/\s+/).every((word) => words.includes(word));
}

function applyFilter() {
  const given = new FormData(form);
  const wanted = /** @type {Wanted} */ (Object.fromEntries(FIELDS.map((name) => [name, String(given.get(name) ?? '')])));
  let found = 0;
  DATA.traces.forEach((trace, index) => {
    const shown = isWanted(trace, WORDS[index], wanted);
    ENTRIES[index].hidden = !shown;
    if (shown) found += 1;
  });
  for (const group of /** @type {NodeListOf<HTMLElement>} */ (document.querySelectorAll('.group'))) {
    group.hidden = group.querySelector('details.trace:not([hidden])') === null;
  }
  byId('nothing').hidden = found > 0;
  byId('found').textContent = found === DATA.traces.length ? `${found} traces` : `${found} of ${DATA.traces.length} traces`;
}

/** @param {URLSearchParams} given */
function setFilter(given) {
  for (const name of FIELDS) {
    const field = /** @type {HTMLInputElement | HTMLSelectElement} */ (form.elements.namedItem(name));
    field.value = given.get(name) ?? '';
  }
  applyFilter();
}
