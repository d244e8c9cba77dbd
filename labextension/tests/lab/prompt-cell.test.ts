// Which cells are prompt cells, and which code an answer contains.
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { codeBlocksOf, mentionsMiniMax, isPrompt } from '../../src/lab/prompt-cell';

/** The cells of the kernel's tests of its own `is_prompt`. */
const cells = JSON.parse(readFileSync('../tests/history/prompt_cells.json', 'utf8')) as Record<
  'prompt' | 'explain' | 'neither',
  string[]
>;

describe('a prompt cell', () => {
  it.each(cells.prompt)('is %j', (source) => {
    expect(isPrompt(source)).toBe(true);
  });
  it.each([...cells.explain, ...cells.neither])('is not %j', (source) => {
    expect(isPrompt(source)).toBe(false);
  });
});

it('a notebook mentions MiniMax if one of its cells does', () => {
  expect(mentionsMiniMax(['x', '%load_ext mm_magics'])).toBe(true);
  expect(mentionsMiniMax(['x', 'MiniMax'])).toBe(true);
  expect(mentionsMiniMax(['x', 'min(max(y))'])).toBe(false);
});

describe('the code of an answer', () => {
  const code = (...contents: unknown[]): string[] =>
    codeBlocksOf({ messages: contents.map((content) => ({ role: 'assistant', content })) });

  it('is every code block, including those in lists, indented ones and an open one at the end', () => {
    const text = '```python\na\n```\n\n- x\n  ~~~\n  b\n  ~~~\n\n    c\n\n````\n```\nd';
    expect(code([{ type: 'text', text }])).toEqual(['a', 'b', '```\nd']);
  });

  it('comes only from text that the model wrote', () => {
    const fence = '```\nno\n```';
    expect(code([{ type: 'thinking', thinking: fence }, 7, null, {}], null, 7)).toEqual([]);
    expect(codeBlocksOf({ messages: [{ role: 'user', content: fence }, 7] })).toEqual([]);
    expect(codeBlocksOf({})).toEqual([]);
    expect(code('```\nyes\n```')).toEqual(['yes']);
  });
});
