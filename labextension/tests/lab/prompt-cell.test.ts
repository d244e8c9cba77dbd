// Which cells are prompt cells, and which code an answer contains.
import { describe, expect, it } from 'vitest';
import { codeBlocksOf, mentionsMiniMax, isPrompt } from '../../src/lab/prompt-cell';

describe('a prompt cell', () => {
  it.each(['%%minimax', '%%minimax -m X\nHi.', '\n\n%%minimax\nHi.'])('is %j', (source) => {
    expect(isPrompt(source)).toBe(true);
  });
  it.each(['', 'x = 1', '%minimax usage', '%%minimaxed', '# %%minimax', 'x\n%%minimax'])(
    'is not %j',
    (source) => {
      expect(isPrompt(source)).toBe(false);
    },
  );
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
