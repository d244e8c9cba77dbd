// The same parts as in Python, for the same texts.
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import {
  splitThinking,
  ThinkingSplitter,
  withoutThinking,
  type Part,
} from '../../src/renderer/dialect';

interface Case {
  readonly name: string;
  readonly text: string;
  readonly parts: readonly Part[];
}

const corpus = JSON.parse(readFileSync('../tests/api/dialect.json', 'utf8')) as Case[];

function joined(parts: readonly Part[]): Part[] {
  const out: Part[] = [];
  for (const part of parts) {
    const last = out.at(-1);
    if (last?.kind === part.kind) out[out.length - 1] = { ...last, text: last.text + part.text };
    else out.push(part);
  }
  return out;
}

describe('thinking in a text', () => {
  it.each(corpus)('is split off: $name', ({ text, parts }) => {
    expect(splitThinking(text)).toEqual(parts);
    const read = parts.filter(({ kind }) => kind === 'text').map((part) => part.text);
    expect(withoutThinking(text)).toBe(read.join(''));
  });

  it.each(corpus)('is the same however it is split: $name', ({ text, parts }) => {
    for (let at = 0; at <= text.length; at++) {
      const splitter = new ThinkingSplitter();
      const pieces = [text.slice(0, at), text.slice(at)].flatMap((piece) => splitter.feed(piece));
      expect(joined([...pieces, ...splitter.end()])).toEqual(parts);
    }
    const letters = new ThinkingSplitter();
    const pieces = Array.from(text).flatMap((letter) => letters.feed(letter));
    expect(joined([...pieces, ...letters.end()])).toEqual(parts);
  });

  it('takes linear time, however the text is built', () => {
    const began = performance.now();
    for (const text of [
      'word <think> '.repeat(30_000),
      '`'.repeat(100_000) + '<think>'.repeat(9_000),
    ])
      splitThinking(text);
    expect(performance.now() - began).toBeLessThan(5_000);
  });
});
