// What the page does: opens, filters, tells, and changes its colours.

for (const [index, entry] of ENTRIES.entries()) {
  entry.addEventListener('toggle', () => {
    const body = /** @type {HTMLElement} */ (entry.querySelector('.body'));
    if (entry.open && body.childElementCount === 0) showTrace(DATA.traces[index], body);
  });
}

for (const opener of /** @type {NodeListOf<HTMLElement>} */ (document.querySelectorAll('.opener'))) {
  opener.addEventListener('click', () => {
    const opened = byId(opener.dataset.opens ?? '');
    opened.hidden = !opened.hidden;
    opener.setAttribute('aria-expanded', String(!opened.hidden));
  });
}

form.hidden = false;
form.addEventListener('submit', (event) => event.preventDefault());
form.addEventListener('input', applyFilter);
form.addEventListener('reset', () => setTimeout(applyFilter));

/** Follows #traces?... and #<id of a trace>. */
function follow() {
  const hash = decodeURIComponent(location.hash.slice(1));
  if (hash.startsWith('traces?')) {
    setFilter(new URLSearchParams(location.hash.slice('#traces?'.length)));
    byId('traces').scrollIntoView();
    return;
  }
  const entry = document.getElementById(hash);
  if (entry instanceof HTMLDetailsElement && entry.matches('.trace')) {
    if (entry.hidden) setFilter(new URLSearchParams());
    entry.open = true;
    entry.scrollIntoView();
    entry.querySelector('summary')?.focus({ preventScroll: true });
  }
}
window.addEventListener('hashchange', follow);
follow();

const legend = byId('legend');
legend.hidden = false;
legend.append(
  ...[['call ok', 'ok'], ['call error', 'error'], ['call pending', 'pending']].map(([kind, label]) => key(label, drawing('g', { class: kind }, drawing('rect', { class: 'whole', x: 1, y: 2, width: 20, height: 12, rx: 3 })))),
  key('attempt', drawing('rect', { class: 'attempt ok', x: 1, y: 6, width: 20, height: 5, rx: 2 })),
  key('told to stop', drawing('path', { class: 'signal', d: 'M7 4l8 8m0-8l-8 8' })),
  ...Object.entries(SHAPES).map(([family, d]) => key(`${family} event`, drawing('g', { class: 'event plain', transform: 'translate(11 8)' }, drawing('path', { d })))),
);

/** @param {string} label @param {SVGElement} sample */
function key(label, sample) {
  return element('span', {}, drawing('svg', { width: 22, height: 16, 'aria-hidden': 'true' }, sample), ` ${label}`);
}

// The tip says what a mark is; the tables say the same to those who do not point.
const tip = byId('tip');
/** @param {PointerEvent} event */
function tell(event) {
  const told = event.target instanceof Element ? event.target.closest('[data-tip]') : null;
  tip.hidden = told === null;
  if (told === null) return;
  tip.textContent = told.getAttribute('data-tip');
  const { width, height } = tip.getBoundingClientRect();
  tip.style.left = `${Math.max(4, Math.min(event.clientX + 12, document.documentElement.clientWidth - width - 8))}px`;
  tip.style.top = `${event.clientY + height + 24 > window.innerHeight ? event.clientY - height - 12 : event.clientY + 16}px`;
}
document.addEventListener('pointerover', tell);
document.addEventListener('pointerdown', tell);
document.addEventListener('scroll', () => { tip.hidden = true; }, { passive: true });
document.addEventListener('keydown', (event) => {
  if (event.key === 'Escape') tip.hidden = true;
});

const THEMES = ['system', 'light', 'dark'];
const theme = byId('theme');
theme.hidden = false;
theme.addEventListener('click', () => setTheme(THEMES[(THEMES.indexOf(document.documentElement.dataset.theme ?? 'system') + 1) % THEMES.length]));

/** @param {string} name */
function setTheme(name) {
  document.documentElement.dataset.theme = name;
  /** @type {HTMLElement} */ (theme.querySelector('span')).textContent = name;
}
