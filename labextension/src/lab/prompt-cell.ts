// Recognizes prompt cells and reads the turn record in their outputs, by the same rules as the kernel.
import type { ICellModel, ICodeCellModel } from '@jupyterlab/cells';
import { MIME_TYPE } from '../protocol';
import { codeBlocks } from '../renderer/markdown/markdown-to-html';
import { isRecord } from '../renderer/turn-state';

export const MAGIC = '%%minimax';

/** Cell magics, in lower case, below which a `%%minimax` line is text: their text is not IPython code that runs once. */
const NOT_RUN = new Set(
  (
    '! bash bigquery cython file html javascript js julia latex markdown perl pypy python python2 python3 r ruby ' +
    'script sh sql svg sx system timeit writefile'
  ).split(' '),
);
const LINE_END = /\r\n|[\n\v\f\r\x1c-\x1e\x85\u2028\u2029]/;

/** Whether the first magic is `%%minimax`: above it may be blank lines, comments and magics such as `%%time`. */
export function isPrompt(source: string): boolean {
  for (const line of source.split(LINE_END)) {
    const text = line.replace(/^[^\S\ufeff]+/, '');
    if (/^%%minimax(?: |\s*$)/.test(text)) return true;
    const magic = /^%%(!|[\p{L}_][\p{L}\p{N}_.-]*)(?: |\s*$)/u.exec(text)?.[1];
    if (
      magic === undefined ? text !== '' && !text.startsWith('#') : NOT_RUN.has(magic.toLowerCase())
    )
      return false;
  }
  return false;
}

/** Whether any of these cell sources mentions MiniMax. The extension leaves other notebooks alone. */
export function mentionsMiniMax(sources: Iterable<string>): boolean {
  for (const source of sources) if (/minimax|mm_magics/i.test(source)) return true;
  return false;
}

export function isCodeCell(model: ICellModel): model is ICodeCellModel {
  return model.type === 'code';
}

/** Return the turn record of the last output that has one, or null. */
export function turnRecordOf(model: ICellModel): Record<string, unknown> | null {
  if (!isCodeCell(model)) return null;
  for (let at = model.outputs.length - 1; at >= 0; at--) {
    const record = model.outputs.get(at).data[MIME_TYPE];
    if (isRecord(record)) return record;
  }
  return null;
}

/** Return the code blocks in the text of the turn, in order. */
export function codeBlocksOf(record: Readonly<Record<string, unknown>>): string[] {
  const messages = Array.isArray(record['messages']) ? (record['messages'] as unknown[]) : [];
  return messages
    .filter((message) => isRecord(message) && message['role'] === 'assistant')
    .flatMap((message) => (message as Record<string, unknown>)['content'])
    .map((block) => (isRecord(block) && block['type'] === 'text' ? block['text'] : block))
    .filter((text) => typeof text === 'string')
    .flatMap(codeBlocks);
}
