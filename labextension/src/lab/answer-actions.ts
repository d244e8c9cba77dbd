// What can be done with an answer on the page, with or without a kernel: copy it, download it, show another version.
import { Notification } from '@jupyterlab/apputils';
import type { Notebook } from '@jupyterlab/notebook';
import type { TranslationBundle } from '@jupyterlab/translation';
import { plainText } from '../renderer/answer-text';
import { copyText } from '../renderer/copy-text';
import { visible } from '../renderer/visible-characters';
import { versionCount, versionNumber } from '../renderer/versions';
import { promptOf } from './edits';
import { promptCellOf } from './insert-cells';
import { isCodeCell, turnRecordsOf } from './prompt-cell';
import { answerText, turnAsMarkdown } from './saved-bundle';
import { showVersion } from './versions';

type TurnRecord = Readonly<Record<string, unknown>>;

/** Return the record of a turn of the active cell, by default its last one. Code from an answer belongs to its cell. */
export function activeTurn({ activeCell }: Notebook, turn?: unknown): TurnRecord | null {
  if (!activeCell) return null;
  const records = turnRecordsOf(promptCellOf(activeCell.model));
  return records.find(({ id }) => turn !== undefined && id === turn) ?? records.at(-1) ?? null;
}

/** Copy the answer as Markdown or as plain text. Return whether that worked; if not, a message is shown. */
export async function copyAnswer(
  record: TurnRecord,
  format: 'markdown' | 'text',
  trans: TranslationBundle,
): Promise<boolean> {
  const answer = answerText(record) ?? '';
  const text = format === 'text' ? plainText(answer) : visible(answer);
  const copied = await copyText(text);
  if (!copied) Notification.error(trans.__('The browser did not allow copying.'));
  return copied;
}

/** Save the prompt and the answer as a Markdown file in the folder for downloads. */
export function downloadAnswer(record: TurnRecord): void {
  const file = new Blob([turnAsMarkdown(record, promptOf(record))], { type: 'text/markdown' });
  const link = document.createElement('a');
  link.href = URL.createObjectURL(file);
  link.download = 'answer.md';
  link.click();
  setTimeout(() => {
    URL.revokeObjectURL(link.href);
  });
}

/** Return the number of the version that is `step` after the one that is shown, or null if it does not exist. */
export function neighbor(record: TurnRecord | null, step: number): number | null {
  if (!record) return null;
  const number = versionNumber(record) + step;
  return number >= 1 && number <= versionCount(record) ? number : null;
}

/** Show the version that is `step` after the one that is shown. Return whether it exists. */
export function showNeighbor({ activeCell }: Notebook, record: TurnRecord, step: number): boolean {
  const number = neighbor(record, step);
  const cell = activeCell && promptCellOf(activeCell.model);
  if (number === null || !cell || !isCodeCell(cell)) return false;
  return showVersion(cell, { turn: record['id'], number });
}
