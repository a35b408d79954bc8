// Puts all mutants of TypeScript files into copies of them, and lists them as JSON: `node instrument.mjs OUT FILE...`.
// __STRYKER_ACTIVE_MUTANT__ tells the copies which mutant to be.
//
// The instrumenter and its operators are Stryker's. Two operators are added that a state machine needs: numbers, and
// single statements that are forgotten.

import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';

import { Instrumenter } from '@stryker-mutator/instrumenter';
import babel from '@babel/core';

const SOURCE = './node_modules/@stryker-mutator/instrumenter/dist/src';
const { allMutators } = await import(`${SOURCE}/mutators/mutate.js`);
const { types } = babel;

allMutators.push(
  {
    name: 'NumericLiteral',
    *mutate(path) {
      const isKey = path.parentPath?.isObjectProperty() && path.key === 'key';
      if (path.isNumericLiteral() && !isKey && !path.findParent((parent) => parent.isTSType())) {
        yield types.numericLiteral(path.node.value + 1);
      }
    },
  },
  {
    name: 'ForgottenStatement',
    *mutate(path) {
      // A block of this one statement is emptied by BlockStatement.
      const alone = path.parentPath?.isBlockStatement() && path.parentPath.node.body.length === 1;
      const isSuper = path.isExpressionStatement() && path.get('expression').get('callee').isSuper?.();
      if ((path.isExpressionStatement() || path.isThrowStatement()) && !alone && !isSuper) {
        yield types.emptyStatement();
      }
    },
  },
);

const logger = { debug() {}, info() {}, warn: console.error, error: console.error, isDebugEnabled: () => false };
const options = { plugins: null, excludedMutations: [], ignorers: [] };
const [out, ...names] = process.argv.slice(2);

const contents = new Map();
for (const name of names) contents.set(name, await readFile(name, 'utf8'));
const files = [...contents].map(([name, content]) => ({ name, content, mutate: true }));
const result = await new Instrumenter(logger).instrument(files, options);

for (const { name, content } of result.files) {
  await mkdir(dirname(join(out, name)), { recursive: true });
  await writeFile(join(out, name), content);
}

/** Where a line and a column, both from 0, are in a text. */
function indexOf(text, { line, column }) {
  let begin = 0;
  for (let at = 0; at < line; at++) begin = text.indexOf('\n', begin) + 1;
  return begin + column;
}

const listed = result.mutants.map((mutant) => {
  const text = contents.get(mutant.fileName);
  const [from, to] = [indexOf(text, mutant.location.start), indexOf(text, mutant.location.end)];
  return {
    number: Number(mutant.id),
    file: mutant.fileName,
    line: mutant.location.start.line + 1,
    start: Buffer.byteLength(text.slice(0, from)),
    end: Buffer.byteLength(text.slice(0, to)),
    before: text.slice(from, to),
    after: mutant.replacement,
  };
});
process.stdout.write(JSON.stringify(listed));
