// Shows another version of an answer: it replaces the output of the answer by one with the other version active.
// This needs no kernel. The new output is saved with the notebook, and the next description tells the kernel about it.
import type { ICodeCellModel } from '@jupyterlab/cells';
import type { Notebook } from '@jupyterlab/notebook';
import { MIME_TYPE } from '../protocol';
import { useVersion } from '../renderer/versions';
import { isRecord } from '../renderer/turn-state';
import { cellAt } from './open-notebooks';
import { isCodeCell } from './prompt-cell';
import { makeBundle } from './saved-bundle';

/** A bubbling event from the header of a turn. The detail is a `VersionRequest`. */
export const VERSION_EVENT = 'mm-version';

export interface VersionRequest {
  /** The id of the turn that is shown. */
  readonly turn: unknown;
  /** The number of the version to show. */
  readonly number: number;
}

/** Show the versions that are requested in the headers of turns, and call `changed` after each change. */
export function handleVersionRequests(notebook: Notebook, changed: () => void): void {
  notebook.node.addEventListener(VERSION_EVENT, (event) => {
    const { target } = event;
    if (!(event instanceof CustomEvent) || !(target instanceof Node)) return;
    const cell = cellAt(notebook, target)?.model;
    if (cell && isCodeCell(cell) && showVersion(cell, event.detail as VersionRequest)) changed();
  });
}

/** Show another version in the output of a turn. Return whether that was possible. */
export function showVersion(
  { outputs }: ICodeCellModel,
  { turn, number }: VersionRequest,
): boolean {
  for (let at = 0; at < outputs.length; at++) {
    const { type, data, metadata } = outputs.get(at);
    const record = data[MIME_TYPE];
    if (!isRecord(record) || record['id'] !== turn) continue;
    const chosen = useVersion(record, number);
    const bundle = chosen && makeBundle(chosen);
    if (!bundle || type !== 'display_data') return false;
    // The metadata of the record is about the version that was active.
    const kept = Object.fromEntries(Object.entries(metadata).filter(([key]) => key !== MIME_TYPE));
    outputs.set(at, { output_type: type, data: bundle, metadata: kept } as never);
    return true;
  }
  return false;
}
