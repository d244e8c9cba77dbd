// Streaming Markdown: the result does not depend on the chunks, and finished blocks are not touched again.
import { describe, expect, test } from 'vitest';
import { lexBlocks } from '../../../src/renderer/markdown/markdown-to-html';
import { MarkdownStream } from '../../../src/renderer/markdown/markdown-stream';
import { DOCUMENTS } from './documents';
import { seeded, split } from '../../seeded';

function render(parts: readonly string[], look?: (el: HTMLElement) => void): HTMLElement {
  const el = document.createElement('div');
  const stream = new MarkdownStream(el);
  for (const part of parts) {
    stream.push(part);
    stream.step(Infinity);
    look?.(el);
  }
  stream.end();
  while (stream.step(Infinity));
  return el;
}

describe.each(Object.entries(DOCUMENTS))('%s', (_name, source) => {
  const whole = render([source]).innerHTML;

  test('gives the same DOM in chunks as in one piece', () => {
    expect(render(source.split('')).innerHTML).toBe(whole);
    expect(render(source.split(/(?<=\n)/)).innerHTML).toBe(whole);
    for (let seed = 1; seed <= 6; seed++) {
      const random = seeded(seed);
      const parts = split(source, seed % 2 ? 6 : 40, random);
      expect(render(parts).innerHTML, `seed ${seed}`).toBe(whole);
    }
  });

  test('the raw texts of the blocks add up to the source', () => {
    const text = source.replace(/\r\n?/g, '\n');
    expect(
      lexBlocks(text, {})
        .map(({ raw }) => raw)
        .join(''),
    ).toBe(text);
  });
});

test('a long mixed document renders the same in any chunks', () => {
  const all = Object.values(DOCUMENTS).join('\n\n');
  const whole = render([all]).innerHTML;
  for (let seed = 1; seed <= 3; seed++) {
    const parts = split(all, 200, seeded(seed * 77));
    expect(render(parts).innerHTML, `seed ${seed}`).toBe(whole);
  }
});

test('complete blocks keep their nodes and the nodes inside them', () => {
  const source =
    'First *one*.\n\n- a\n- b\n\n```python\nx = 1\n```\n\nLast paragraph, which continues.\n';
  const seen: ChildNode[] = [];
  const random = seeded(5);
  const el = render(split(source.repeat(15), 9, random), (now) => {
    const blocks = [...now.querySelectorAll('.mm-block')];
    // The last two may still change.
    for (const [index, block] of blocks.slice(0, -2).entries()) {
      seen[index] ??= block.firstChild!;
      expect(block.firstChild).toBe(seen[index]);
    }
  });
  for (const [index, node] of seen.entries())
    expect(el.querySelectorAll('.mm-block')[index]?.firstChild).toBe(node);
});

test('the start of an open block keeps its nodes while the block grows', () => {
  const el = document.createElement('div');
  const stream = new MarkdownStream(el);
  stream.push('- **first** item\n- second');
  stream.step(Infinity);
  const strong = el.querySelector('strong');
  stream.push(' continues\n- third');
  stream.step(Infinity);
  expect(el.querySelectorAll('li')).toHaveLength(3);
  expect(el.querySelector('strong')).toBe(strong);
});

test('an open code fence grows in place and is highlighted when it closes', () => {
  const el = document.createElement('div');
  const stream = new MarkdownStream(el);
  stream.push('```python\ndef f():\n');
  stream.step(Infinity);
  const code = el.querySelector('code');
  const text = code?.querySelector('.mm-piece')?.firstChild;
  stream.push('    return 1\n``');
  stream.step(Infinity);
  expect(code?.textContent).toBe('def f():\n    return 1\n');
  expect(code?.querySelector('.mm-piece')?.firstChild).toBe(text);
  stream.push('`\n');
  stream.step(Infinity);
  expect(el.querySelector('code')).toBe(code);
  expect(el.querySelector('.hljs-keyword')?.textContent).toBe('def');
});

test('a fence that arrives in one piece is highlighted as soon as text follows it', () => {
  const el = document.createElement('div');
  const stream = new MarkdownStream(el);
  stream.push('# Title\n\n```python\ndef f(): ...\n```\n\nThat');
  stream.step(Infinity);
  expect(el.querySelector('.hljs-keyword')?.textContent).toBe('def');
});

test('unfinished emphasis, code and links are shown completed', () => {
  const el = document.createElement('div');
  const stream = new MarkdownStream(el);
  stream.push('Some **bold te');
  stream.step(Infinity);
  expect(el.querySelector('strong')?.textContent).toBe('bold te');
  stream.push('xt** and [a link](https://exam');
  stream.step(Infinity);
  expect(el.textContent.trim()).toBe('Some bold text and a link');
});

test('an unfinished display formula is shown as source', () => {
  const el = document.createElement('div');
  const stream = new MarkdownStream(el);
  stream.push('So\n\n$$\na_1 * b_2 *');
  stream.step(Infinity);
  expect(el.querySelector('pre')?.textContent).toBe('$$\na_1 * b_2 *\n');
  stream.push(' c\n$$\n');
  stream.step(Infinity);
  expect(el.querySelector('math')).not.toBeNull();
});

test('work stops at the deadline and continues later', () => {
  const el = document.createElement('div');
  const stream = new MarkdownStream(el);
  stream.push('A paragraph of text.\n\n'.repeat(150));
  stream.end();
  let slices = 0;
  while (stream.step(performance.now() + 1)) slices++;
  expect(slices).toBeGreaterThan(1);
  expect(el.querySelectorAll('.mm-block')).toHaveLength(150);
});

test('streaming a code fence of 500 kB takes linear time', () => {
  const time = (size: number): number => {
    const started = performance.now();
    render(['```text\n', ...Array<string>(size).fill('x'.repeat(99) + '\n'), '```\n']);
    return performance.now() - started;
  };
  time(200);
  expect(time(5000)).toBeLessThan(Math.max(400, 60 * time(500)));
});

test('a block that is too long to parse is shown as source', () => {
  const el = render(['*word* '.repeat(20_000), '\n\nafter *it*\n']);
  expect(el.querySelector('pre')?.textContent.startsWith('*word* *word*')).toBe(true);
  expect(el.querySelectorAll('em')).toHaveLength(1);
});

test('blocks are grouped into sections in order, even if their number changes at the end', () => {
  const paragraphs = Array.from({ length: 100 }, (_, index) => `p${index}`);
  const el = render(paragraphs.map((text) => `${text}\n\n`));
  expect(el.querySelectorAll('.mm-section')).toHaveLength(3);
  expect([...el.querySelectorAll('.mm-block')].map((block) => block.textContent.trim())).toEqual(
    paragraphs,
  );
});
