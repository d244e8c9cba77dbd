// What a prompt cell is, and what its output holds: the same rules as the kernel's side.
import type { ICellModel, ICodeCellModel } from '@jupyterlab/cells';
import { codeBlocks } from '../renderer/markdown/markdown-to-html';
import { isRecord } from '../renderer/turn-state';

export const MIME_TYPE = 'application/vnd.minimax.turn+json';
export const MAGIC = '%%minimax';
/** The notebook metadata that hold its own settings. */
export const SETTINGS_KEY = 'minimax';

export function isPrompt(source: string): boolean {
  return /^\s*%%minimax(?![\w.-])/.test(source);
}

/** Whether any of these sources speaks of us; a notebook where none does is left alone. */
export function concernsUs(sources: Iterable<string>): boolean {
  for (const source of sources) if (/minimax|mm_magics/i.test(source)) return true;
  return false;
}

export function isCode(model: ICellModel): model is ICodeCellModel {
  return model.type === 'code';
}

/** The turn record of the cell's last output that has one, else null. */
export function recordOf(model: ICellModel): Record<string, unknown> | null {
  if (!isCode(model)) return null;
  for (let at = model.outputs.length - 1; at >= 0; at--) {
    const record = model.outputs.get(at).data[MIME_TYPE];
    if (isRecord(record)) return record;
  }
  return null;
}

/** The code blocks of the turn's texts, in order. */
export function codeOf(record: Readonly<Record<string, unknown>>): string[] {
  const messages = Array.isArray(record['messages']) ? (record['messages'] as unknown[]) : [];
  return messages
    .filter((message) => isRecord(message) && message['role'] === 'assistant')
    .flatMap((message) => (message as Record<string, unknown>)['content'])
    .map((block) => (isRecord(block) && block['type'] === 'text' ? block['text'] : block))
    .filter((text) => typeof text === 'string')
    .flatMap(codeBlocks);
}
