// Every reader of a text takes linear time, whatever is repeated in it: 2 s are enough for 100 kB even if the machine is
// busy, and quadratic time is at least that for most of these readers.
import { expect, test } from 'vitest';
import { isEdited } from '../../src/lab/edits';
import { codeBlocksOf, findPrompt, runsPrompts } from '../../src/lab/prompt-cell';
import { makeBundle } from '../../src/lab/saved-bundle';
import { callParts, visibleText } from '../../src/renderer/call-text';
import { splitThinking } from '../../src/renderer/dialect';
import { isAllowed } from '../../src/renderer/markdown/formulas';
import { toHtml } from '../../src/renderer/markdown/markdown-to-html';
import { openMathAt } from '../../src/renderer/markdown/math';
import { OpenFence } from '../../src/renderer/markdown/open-fence';
import { sanitizeMath } from '../../src/renderer/markdown/sanitize';
import { visible } from '../../src/renderer/visible-characters';
import { expectLinear, seconds } from './timing';

const recordOf = (text: string): Record<string, unknown> => ({
  schema: 2,
  status: 'complete',
  thread: 'main',
  messages: [
    { role: 'user', content: text },
    { role: 'assistant', content: [{ type: 'text', text }] },
  ],
  responses: [],
});

/** Each takes a few milliseconds for 100 kB. */
const READERS: Record<string, (text: string) => unknown> = {
  visible,
  visibleText,
  splitThinking,
  isAllowed,
  findPrompt,
  runsPrompts,
  openMathAt,
  'the hash of a cell': (text) => isEdited(text, { source_sha256: 'x', thread: 'main' }),
  'the words of a cell': (text) => isEdited(text, recordOf(text)),
  'an open fence': (text) => OpenFence.parse(text)?.append(text),
  'the arguments of a call': (text) => callParts('f', { a: text, code: text }, null),
  'the exact arguments': (text) => callParts('f', {}, JSON.stringify({ input: { a: text } })),
};

const PIECES = [
  ...[
    '\n',
    ' ',
    '\r',
    '\t',
    '\u2028',
    '`',
    '$',
    '\\',
    '<',
    '[',
    '"',
    "'",
    '{',
    '- ',
    '> ',
    '*',
    '_',
    '|',
    '~',
  ],
  ...[
    '#',
    'a',
    'a ',
    ' \n',
    '\n\n',
    '&',
    '-',
    '1',
    '%',
    '=',
    '/',
    '\\"',
    '\\\\',
    '\\(',
    '](',
    '](\n',
    '```\n',
    '<a',
  ],
  ...[
    '<think>',
    '`<think>',
    '<think></think>',
    "--thread '",
    '--thread="',
    '-1e',
    'run_cell ',
    '\u202e',
    '\ud800',
  ],
];
const BEFORE = ['', '%%minimax ', '%%minimax a\n', '%%minimax --thread a', '```'];
const AFTER = ['', 'x'];

test.each(Object.entries(READERS))(
  '%s',
  (_name, read) => {
    for (const piece of PIECES)
      for (const before of BEFORE)
        for (const after of AFTER) {
          const text = before + piece.repeat(100_000 / piece.length) + after;
          const shape = JSON.stringify([before, piece, after]);
          expect(
            seconds(() => read(text)),
            shape,
          ).toBeLessThan(2);
        }
  },
  300_000,
);

test('the style of a formula', () => {
  const style = (n: number): string => `color:${'borderborder:'.repeat(n)}!`;
  const html = (n: number): string => `<math><mi style="${style(n)}${' '.repeat(n)}">x</mi></math>`;
  for (const size of [30, 20_000]) expect(seconds(() => sanitizeMath(html(size)))).toBeLessThan(2);
});

/** What takes long in Markdown. The hostile corpus has more of it. */
const MARKDOWN: Record<string, (size: number) => string> = {
  'an unfinished tag in HTML': (n) => `<div>\n<${'a'.repeat(8 * n)}`,
  'link definitions': (n) => Array.from({ length: n / 4 }, (_, at) => `[a${at}]: b\n`).join(''),
  'links and their definitions': (n) =>
    Array.from({ length: n / 8 }, (_, at) => `[a${at}]: b\n\n[a${at}] c\n\n`).join(''),
  dollars: (n) => '$'.repeat(n),
};

test.each(Object.entries(MARKDOWN))('%s', (_name, make) => {
  expectLinear(make, 4_000, (text) => toHtml(text, {}, true));
  expectLinear(make, 4_000, (text) => codeBlocksOf(recordOf(text)));
});

test.each([
  ['a link to blanks', `](${' '.repeat(150_000)}x`],
  ['more code marks than a function has arguments', `![${'` '.repeat(150_000)}`],
])('a saved output with %s', (_name, text) => {
  expect(seconds(() => makeBundle(recordOf(text)))).toBeLessThan(5);
});
