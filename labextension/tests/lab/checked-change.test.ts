// Which changes of the kernel are well-formed.
import { describe, expect, it } from 'vitest';
import { checkedChange } from '../../src/lab/changes/checked-change';

const CELL = { cell_type: 'code', source: 's', metadata: {}, outputs: [{}], execution_count: null };
const SHARED = { id: 'c', turn: 't', cell: 'x', ask: true };
const VALID: Record<string, object> = {
  insert: { ...SHARED, kind: 'insert', cell_type: 'markdown', after: 's', place: null },
  restore: { ...SHARED, kind: 'insert', ask: false, after: 's', place: 'y', content: CELL },
  edit: { ...SHARED, kind: 'edit', before: 'a', after: 'b' },
  move: { ...SHARED, kind: 'move', before: 'a', place: 'y' },
  delete: { ...SHARED, kind: 'delete', before: 'a' },
  run: { ...SHARED, kind: 'run', ask: false, before: 'a' },
};
const NEVER_VALID = [5, {}, []];

describe('a change', () => {
  it.each(Object.keys(VALID))('is well-formed: %s', (name) => {
    expect(checkedChange(VALID[name])).toBe(VALID[name]);
  });

  it.each(Object.keys(VALID).filter((name) => name !== 'insert' && name !== 'restore'))(
    'of a cell that is there has the text that was read: %s',
    (name) => {
      expect(checkedChange({ ...VALID[name], before: undefined })).toBeNull();
    },
  );

  it.each(
    Object.entries(VALID).flatMap(([name, value]) => Object.keys(value).map((f) => [name, f])),
  )('needs each field, of the right type: %s %s', (name, field) => {
    const isOptional = field === 'cell_type' || field === 'content';
    const without = { ...VALID[name], [field]: undefined };
    expect(checkedChange(without)).toEqual(isOptional ? without : null);
    for (const value of [...NEVER_VALID, ...(field === 'place' ? [] : [null])])
      expect(checkedChange({ ...VALID[name], [field]: value })).toBeNull();
  });

  it.each([
    ['edit', { place: 'y' }],
    ['delete', { after: 'x' }],
    ['insert', { before: 'x' }],
    ['insert', { content: CELL }],
    ['edit', { content: CELL }],
    ['restore', { after: 'other' }],
    ['restore', { content: { ...CELL, source: ['s'] } }],
    ['restore', { content: { ...CELL, cell_type: ['code'] } }],
    ['restore', { content: { ...CELL, metadata: null } }],
    ['restore', { content: { ...CELL, outputs: 5 } }],
    ['restore', { content: { ...CELL, outputs: ['x'] } }],
    ['restore', { content: { ...CELL, attachments: { a: 5 } } }],
    ['edit', { id: '' }],
    ['edit', { cell: '' }],
  ])('has nothing else: %s %j', (name, fields) => {
    expect(checkedChange({ ...VALID[name], ...fields })).toBeNull();
  });

  it.each([null, undefined, 5, 'edit', []])('is not %j', (value) => {
    expect(checkedChange(value)).toBeNull();
  });
});
