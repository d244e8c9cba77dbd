// Checks a change that the kernel sent. It can come from the saved output of a notebook that is somebody else's.
import type { NotebookChange } from '../../protocol-changes';
import { isRecord } from '../../renderer/turn-state';

const KINDS = ['insert', 'edit', 'move', 'delete', 'run'];
const TYPES = ['code', 'markdown'];

/** Return the change if it is well-formed, or null. */
export function checkedChange(value: unknown): NotebookChange | null {
  if (!isRecord(value)) return null;
  const { id, turn, kind, cell, ask, cell_type, before, after, place, content } = value;
  const isPlaced = kind === 'insert' || kind === 'move';
  const isValid =
    isText(id) &&
    id !== '' &&
    isText(turn) &&
    isText(kind) &&
    KINDS.includes(kind) &&
    isText(cell) &&
    cell !== '' &&
    typeof ask === 'boolean' &&
    (cell_type === undefined || (isText(cell_type) && TYPES.includes(cell_type))) &&
    (kind === 'insert' ? before === undefined : isText(before)) &&
    (kind === 'insert' || kind === 'edit' ? isText(after) : after === undefined) &&
    (isPlaced ? place === null || isText(place) : place === undefined) &&
    // What the user is asked about is `after`.
    (content === undefined ||
      (kind === 'insert' && !ask && isCell(content) && content['source'] === after));
  return isValid ? (value as unknown as NotebookChange) : null;
}

function isCell(value: unknown): value is Record<string, unknown> {
  if (!isRecord(value)) return false;
  const { cell_type, source, metadata, outputs = [], attachments = {} } = value;
  return (
    isText(cell_type) &&
    [...TYPES, 'raw'].includes(cell_type) &&
    isText(source) &&
    isRecord(metadata) &&
    Array.isArray(outputs) &&
    outputs.every(isRecord) &&
    isRecord(attachments) &&
    Object.values(attachments).every(isRecord)
  );
}

function isText(value: unknown): value is string {
  return typeof value === 'string';
}
