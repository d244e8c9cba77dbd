// Checks a change that the kernel sent.
import type { NotebookChange } from '../../protocol-changes';
import { isRecord } from '../../renderer/turn-state';

const KINDS = ['insert', 'edit', 'move', 'delete', 'run'];
const TYPES = ['code', 'markdown'];

/** Return the change if it is well-formed, or null. */
export function checkedChange(value: unknown): NotebookChange | null {
  if (!isRecord(value)) return null;
  const { id, turn, kind, cell, ask, cell_type, before, after, place, content } = value;
  const isText = [id, turn, kind, cell].every((each) => typeof each === 'string');
  const areOptional = [before, after].every(
    (each) => each === undefined || typeof each === 'string',
  );
  const isValid =
    isText &&
    areOptional &&
    typeof ask === 'boolean' &&
    KINDS.includes(kind as string) &&
    (cell_type === undefined || TYPES.includes(cell_type as string)) &&
    (place === undefined || place === null || typeof place === 'string') &&
    (kind !== 'edit' || typeof after === 'string') &&
    (kind !== 'insert' || typeof after === 'string' || isCell(content));
  return isValid ? (value as unknown as NotebookChange) : null;
}

function isCell(content: unknown): boolean {
  return (
    isRecord(content) &&
    [...TYPES, 'raw'].includes(String(content['cell_type'])) &&
    typeof content['source'] === 'string'
  );
}
