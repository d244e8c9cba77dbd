// The versions of a turn record.
import { describe, expect, it } from 'vitest';
import { useVersion, versionCount, versionNumber } from '../../src/renderer/versions';

const record = (text: string, fields: object = {}): Record<string, unknown> => ({
  schema: 2,
  id: `turn ${text}`,
  thread: 'main',
  cell_id: 'cell',
  status: 'complete',
  model: 'MiniMax-M2.7',
  messages: [{ role: 'assistant', content: [{ type: 'text', text }] }],
  responses: [],
  ...fields,
});
const three = record('three', { versions: [record('two'), record('one')] });
const use = (from: Record<string, unknown>, number: number): Record<string, unknown> =>
  useVersion(from, number)!;

describe('useVersion', () => {
  it('keeps the order and the numbers of the versions, in whatever order they are shown', () => {
    let shown: Record<string, unknown> = three;
    for (const number of [1, 3, 2, 2, 1, 2, 3]) {
      shown = use(shown, number);
      expect([versionNumber(shown), versionCount(shown)]).toEqual([number, 3]);
      const names = ['one', 'two', 'three'];
      expect(shown['id']).toBe(`turn ${names[number - 1]}`);
      names.splice(number - 1, 1);
      const others = (shown['versions'] as { id: string }[]).map(({ id }) => id);
      expect(others).toEqual(names.reverse().map((name) => `turn ${name}`));
    }
    expect(shown).toEqual(three);
  });

  it('changes nothing in a record but its place', () => {
    const old = record('one', {
      cell_id: 'elsewhere',
      base: { thread: 'x', turn: 'y' },
      schema: 1,
    });
    const copied = record('two', { versions: [old], cell_id: 'copy', thread: 'side' });
    const { versions, newer, ...own } = use(copied, 1);
    expect(own).toEqual(record('one', { cell_id: 'copy', thread: 'side', schema: 1 }));
    expect(newer).toBe(1);
    expect(versions).toEqual([record('two', { cell_id: 'copy', thread: 'side' })]);
  });

  it.each([0, 4, -1, NaN])('returns null for the number %s', (number) => {
    expect(useVersion(three, number)).toBeNull();
  });

  it.each([
    [{ versions: 7 }, 1, 1],
    [{ versions: [null, 'x', record('one')] }, 2, 2],
    [{ versions: [record('one')], newer: 9 }, 1, 2],
    [{ versions: [record('one')], newer: -1 }, 2, 2],
    [{ versions: [record('one')], newer: '1' }, 2, 2],
  ])('counts the versions of the damaged record %j', (fields, number, count) => {
    const damaged = record('two', fields);
    expect([versionNumber(damaged), versionCount(damaged)]).toEqual([number, count]);
  });
});
