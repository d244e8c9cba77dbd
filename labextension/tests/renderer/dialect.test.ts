// The same parts as in Python, for the same texts.
import { readFileSync } from 'node:fs';
import { describe, expect, it, vi } from 'vitest';
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

/** What one call of a method of strings reads: what it searches, or what it returns. */
const READ: Record<string, (text: string, given: unknown[], result: unknown) => number> = {
  indexOf: ({ length }, [, from = 0], at) => (at === -1 ? length : Number(at)) - Number(from),
  slice: (_, __, part) => String(part).length,
  matchAll: ({ length }) => length,
  replace: ({ length }) => length,
  split: ({ length }) => length,
};

/** Return how many characters the methods of strings read while a function runs. */
function charactersRead(run: () => void): number {
  let count = 0;
  const spies = Object.entries(READ).map(([name, read]) => {
    const original = Reflect.get(String.prototype, name) as (...given: unknown[]) => unknown;
    return vi.spyOn(String.prototype, name as 'slice').mockImplementation(function (
      this: string,
      ...given: unknown[]
    ) {
      const result = original.apply(this, given);
      count += read(this, given, result);
      return result as string;
    });
  });
  try {
    run();
  } finally {
    for (const spy of spies) spy.mockRestore();
  }
  return count;
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

  it.each<[string, (size: number) => string]>([
    ['tags that open nothing', (size) => 'word <think> '.repeat(size)],
    ['one long run of backticks', (size) => '`'.repeat(10 * size) + '<think>'.repeat(size)],
    ['code that is never closed', (size) => '`a <think> '.repeat(size)],
    ['white space', (size) => `${' '.repeat(size)}<think>`.repeat(30)],
    ['parts that alternate', (size) => 'a\n<think>b</think>\n'.repeat(size)],
  ])('reads twice as many characters of a text of twice the length: %s', (_, build) => {
    const read = (size: number): number => charactersRead(() => splitThinking(build(size)));
    expect(read(4_000) / read(2_000)).toBeLessThan(2.1);
  });
});
