// Recognizes prompt cells and reads the turn record in their outputs, by the same rules as the kernel.
import type { ICellModel, ICodeCellModel } from '@jupyterlab/cells';
import type { IOutputModel } from '@jupyterlab/rendermime';
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
/** A line and its end, as Python and IPython split text. */
const LINE = /[^\n\v\f\r\x1c-\x1e\x85\u2028\u2029]*(?:\r\n|[\n\v\f\r\x1c-\x1e\x85\u2028\u2029]|$)/g;
const RUNS_PROMPTS =
  /\brun_(?:cell|line)_magic\b|^[^\S\n\r\u2028\u2029]*%minimax[^\S\n]+(?:explain|fix|edit)\b/m;

export interface PromptSource {
  /** The line of the magic. */
  readonly magic: string;
  /** What is below it. */
  readonly text: string;
}

/**
 * Return the parts of a cell whose first magic is `%%minimax`, or `%minimax explain`, `fix` or `edit`, or null. Above it may be blank
 * lines, comments and magics such as `%%time`.
 */
export function findPrompt(source: string): PromptSource | null {
  let end = 0;
  for (const line of source.match(LINE) ?? []) {
    end += line.length;
    const text = line.replace(/^[^\S\ufeff]+/, '');
    if (/^%%minimax(?: |\s*$)/.test(text) || /^%minimax\s+(?:explain|fix|edit)(?:\s|$)/.test(text))
      return { magic: text.trim(), text: source.slice(end) };
    const magic = /^%%(!|[\p{L}_][\p{L}\p{N}_.-]*)(?: |\s*$)/u.exec(text)?.[1];
    if (
      magic === undefined ? text !== '' && !text.startsWith('#') : NOT_RUN.has(magic.toLowerCase())
    )
      return null;
  }
  return null;
}

/** Whether the first magic is `%%minimax`. */
export function isPrompt(source: string): boolean {
  return findPrompt(source)?.magic.startsWith(MAGIC) === true;
}

/** Whether code runs prompts: it calls magics by name, or `%minimax explain`, `fix` or `edit` is one of its lines. */
export function runsPrompts(source: string): boolean {
  return RUNS_PROMPTS.test(source);
}

/** Whether any of these cell sources mentions MiniMax. The extension leaves other notebooks alone. */
export function mentionsMiniMax(sources: Iterable<string>): boolean {
  for (const source of sources) if (/minimax|mm_magics/i.test(source)) return true;
  return false;
}

export function isCodeCell(model: ICellModel): model is ICodeCellModel {
  return model.type === 'code';
}

/** Return the turn record in an output, or null. It is not a copy, which `output.data` would make of all its data. */
export function turnRecordIn(output: IOutputModel): Record<string, unknown> | null {
  if (output.type === 'stream' || output.type === 'error') return null;
  const { data } = output.toJSON();
  const record = isRecord(data) ? data[MIME_TYPE] : null;
  return isRecord(record) ? record : null;
}

/** Return the index of the last output that has a turn record, or -1. */
export function turnOutputOf({ outputs }: ICodeCellModel): number {
  for (let at = outputs.length - 1; at >= 0; at--) if (turnRecordIn(outputs.get(at))) return at;
  return -1;
}

/** Return the turn record of the last output that has one, or null. */
export function turnRecordOf(model: ICellModel): Record<string, unknown> | null {
  return turnRecordsOf(model).at(-1) ?? null;
}

/** Return the turn records in the outputs of a cell, in order. */
export function turnRecordsOf(model: ICellModel): Record<string, unknown>[] {
  const records: Record<string, unknown>[] = [];
  if (!isCodeCell(model)) return records;
  for (let at = 0; at < model.outputs.length; at++) {
    const record = turnRecordIn(model.outputs.get(at));
    if (record) records.push(record);
  }
  return records;
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
