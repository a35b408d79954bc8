// Elements. Texts become text nodes, never markup.

/** @typedef {Node | string | null | undefined | false} Child */

/** @param {string} tag @param {Record<string, string | number | undefined>} [attributes] @param {Child[]} children @returns {HTMLElement} */
function element(tag, attributes = {}, ...children) {
  return filled(document.createElement(tag), attributes, children);
}

/** @param {string} tag @param {Record<string, string | number | undefined>} [attributes] @param {Child[]} children @returns {SVGElement} */
function drawing(tag, attributes = {}, ...children) {
  return filled(/** @type {SVGElement} */ (document.createElementNS('http://www.w3.org/2000/svg', tag)), attributes, children);
}

/** @template {Element} E @param {E} made @param {Record<string, string | number | undefined>} attributes @param {Child[]} children @returns {E} */
function filled(made, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (value !== undefined) made.setAttribute(name, String(value));
  }
  made.append(...children.filter((child) => child !== null && child !== undefined && child !== false));
  return made;
}

/** A table that scrolls within itself where it is too wide. @param {string} label @param {string[]} header @param {(Child | Child[])[][]} rows */
function table(label, header, rows) {
  const cells = (/** @type {(Child | Child[])[]} */ row) =>
    row.map((cell, index) => element(index === 0 ? 'th' : 'td', index === 0 ? { scope: 'row' } : {}, ...(Array.isArray(cell) ? cell : [cell])));
  return element('div', { class: 'scroll', role: 'group', 'aria-label': label, tabindex: 0 },
    element('table', {},
      element('thead', {}, element('tr', {}, ...header.map((title) => element('th', { scope: 'col' }, title)))),
      element('tbody', {}, ...rows.map((row) => element('tr', {}, ...cells(row))))));
}
