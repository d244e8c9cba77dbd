// Which dollar signs are math, and how math is rendered.
import { describe, expect, test } from 'vitest';
import { toSafeNodes } from '../../../src/renderer/markdown/decorate-html';
import { toHtml } from '../../../src/renderer/markdown/markdown-to-html';

function show(markdown: string): HTMLElement {
  const el = document.createElement('div');
  el.append(toSafeNodes(toHtml(markdown, {}, true), new Set()));
  return el;
}

describe('is math', () => {
  test.each([
    ['$x$', 1],
    ['Let $x_1 * y$ and $z*w$.', 2],
    ['\\(a\\) and \\[b\\]', 2],
    ['$$a$$', 1],
    ['$$\na\n\\\\\nb\n$$', 1],
    ['text\n$$\nx\n$$\nmore', 1],
    ['\\[\n\\frac{a}{b}\n\\]', 1],
    ['**bold $x^*$ end**', 1],
    ['($x$), "$y$"', 2],
    ['- item $x$\n- $$y$$', 2],
    ['| $a$ |\n|---|\n| $b$ |', 2],
    ['a\n\n$$x$$', 1],
    ['$\\$5$', 1],
  ])('%s', (markdown, count) => {
    expect(show(markdown).querySelectorAll('math')).toHaveLength(count);
  });

  test('inside emphasis keeps the emphasis', () => {
    expect(show('**bold $x^*$ end**').querySelector('strong')?.textContent).toContain('end');
  });
});

describe('is not math', () => {
  test.each([
    '$5 and $6',
    'It costs $5, or $10 with tax.',
    'US$5 and AU$6 here',
    '$ x $',
    '\\$x\\$',
    '`$x$`',
    '```\n$x$\n```',
    '    $x$',
    '$x',
    'a $5 `code$` b',
    '$$\n\nx\n\n$$',
    '\\\\(x\\\\)',
  ])('%s', (markdown) => {
    const el = show(markdown);
    expect(el.querySelector('math, .mm-math')).toBeNull();
  });
});

test('LaTeX that cannot be parsed is shown as source', () => {
  const el = show('before $\\frac{a$ after');
  expect(el.querySelector('.mm-tex')?.textContent).toBe('\\frac{a');
  expect(el.textContent).toContain('after');
});

test('display math has the attribute display=block', () => {
  expect(show('$$x$$').querySelector('math')?.getAttribute('display')).toBe('block');
});

test('macros do not leak into the next formula and do not loop', () => {
  const el = show('$\\def\\x{\\x\\x}\\x$ and $\\gdef\\y{1}\\y$ and $\\y$');
  expect(el.querySelectorAll('.mm-tex')).toHaveLength(3);
});
