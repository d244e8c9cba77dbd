import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import type { ShownPart } from '../../src/protocol';
import { callParts } from '../../src/renderer/call-text';

interface Case {
  readonly what: string;
  readonly name: string;
  readonly block: string;
  readonly parts: readonly ShownPart[];
}

const CASES = JSON.parse(readFileSync('../tests/display/call_text.json', 'utf-8')) as Case[];

describe('a call is shown as the kernel shows it', () => {
  test.each(CASES)('$what', ({ name, block, parts }) => {
    expect(callParts(name, {}, block)).toEqual(parts);
  });
});

test('without its exact text, the values that the page has are shown', () => {
  expect(callParts('add', { b: 3, a: 2 }, null)).toEqual(CASES[0]?.parts);
});

test.each([null, 'a', [1]])('arguments that are not an object are not a call: %j', (input) => {
  expect(callParts('add', input, null)).toBeNull();
});

test.each(['', '[', '[1]', '{"input": 5}', '{"input"'])(
  'a damaged text gives null: %s',
  (exact) => {
    expect(callParts('add', {}, exact)).toBeNull();
  },
);
