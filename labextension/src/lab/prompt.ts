// What a prompt cell is, and what its output holds: the same rules as the kernel's side.
import type { ICellModel, ICodeCellModel } from '@jupyterlab/cells';

export const MIME_TYPE = 'application/vnd.minimax.turn+json';
export const MAGIC = '%%minimax';

export function isPrompt(source: string): boolean {
  return source.trimStart().startsWith(MAGIC);
}

export function isCode(model: ICellModel): model is ICodeCellModel {
  return model.type === 'code';
}

/** The turn record of the cell's last output that has one, else null. */
export function recordOf(model: ICellModel): Record<string, unknown> | null {
  if (!isCode(model)) return null;
  for (let at = model.outputs.length - 1; at >= 0; at--) {
    const record = model.outputs.get(at).data[MIME_TYPE];
    if (record !== null && typeof record === 'object' && !Array.isArray(record))
      return record as Record<string, unknown>;
  }
  return null;
}

/** The code in the fences of the turn's texts, in order. */
export function codeOf(record: Record<string, unknown>): string[] {
  const messages = Array.isArray(record['messages'])
    ? (record['messages'] as { role?: unknown; content?: unknown }[])
    : [];
  const texts = messages
    .filter((message) => message.role === 'assistant' && Array.isArray(message.content))
    .flatMap((message) => message.content as { type?: unknown; text?: unknown }[])
    .filter((block) => block.type === 'text' && typeof block.text === 'string')
    .map((block) => block.text as string);
  return texts.flatMap((text) =>
    [...text.matchAll(/^(`{3,}|~{3,})[^\n]*\n([\s\S]*?)^\1[ \t]*$/gm)].map((match) =>
      (match[2] ?? '').trimEnd(),
    ),
  );
}
