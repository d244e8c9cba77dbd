// Whether a cell was edited since its turn was answered. The twin of mm_magics/history/edits.py, so a mark appears while
// the user types, and without a kernel.
import { sha256 } from '@noble/hashes/sha2.js';
import { bytesToHex } from '@noble/hashes/utils.js';
import { findPrompt, MAGIC, runsPrompts, type PromptSource } from './prompt-cell';
import { isRecord } from '../renderer/turn-state';

const NO_PROMPT = '\0';
/** What `%minimax edit` is asked for. */
const EDIT = /^%minimax\s+edit\s+(.+)/;
const THREAD = /(?<!\S)--thread(?:=|\s+)("[^"]*"|'[^']*'|\S+)/g;

/** What a cell's text contains. `hashes` are those of what is answered, and of the prompt alone. */
interface ReadSource {
  readonly source: string;
  readonly prompt: PromptSource | null;
  readonly thread: string | null;
  readonly hashes: readonly string[];
}

/** The last text that was read: a cell can have many turns. */
let last: ReadSource | null = null;

/** Return whether the text of a cell is not the one that the turn in its output answered. */
export function isEdited(source: string, record: Readonly<Record<string, unknown>>): boolean {
  const hash = record['source_sha256'];
  if (last?.source !== source) last = readSource(source);
  const { prompt, thread, hashes } = last;
  if (typeof hash === 'string' && hash) {
    // The thread may have been chosen with a setting when the cell was answered.
    const texts = prompt && thread === record['thread'] ? hashes : hashes.slice(0, 1);
    return !texts.includes(hash);
  }
  if (thread && thread !== record['thread']) return true;
  if (prompt === null) return !runsPrompts(source);
  const answered = words(promptOf(record));
  if (!answered || !prompt.magic.startsWith(MAGIC) || prompt.text.includes('{{')) return false;
  return words(prompt.text) !== answered;
}

function readSource(source: string): ReadSource {
  const prompt = findPrompt(source);
  const thread = prompt && threadIn(prompt.magic);
  const hashes = [sourceHash(answeredText(source, prompt, thread))];
  if (prompt) hashes.push(sourceHash(prompt.text));
  return { source, prompt, thread, hashes };
}

/** Return the text of a cell that is answered when it runs. */
function answeredText(source: string, prompt: PromptSource | null, thread: string | null): string {
  if (prompt === null) return NO_PROMPT + source;
  if (!prompt.magic.startsWith(MAGIC)) return NO_PROMPT + (EDIT.exec(prompt.magic)?.[1] ?? '');
  return thread ? NO_PROMPT + thread + NO_PROMPT + prompt.text : prompt.text;
}

/** Return the thread that the line of a prompt cell names, else ''. */
function threadIn(magic: string): string {
  const named = [...magic.matchAll(THREAD)].at(-1)?.[1] ?? '';
  return withoutEnd(named, `"'`).replace(/^["']+/, '');
}

/** Return the text without these characters at its end. A regular expression would take quadratic time. */
function withoutEnd(text: string, characters: string): string {
  let end = text.length;
  while (end > 0 && characters.includes(text.charAt(end - 1))) end--;
  return text.slice(0, end);
}

/**
 * Return the SHA-256 of the text without what front ends change: line ends, and the newlines at the end.
 * The browser's own function is asynchronous, and missing on pages without TLS.
 */
function sourceHash(text: string): string {
  const comparable = withoutEnd(text.replace(/\r\n?/g, '\n'), '\n');
  return bytesToHex(sha256(new TextEncoder().encode(comparable)));
}

function words(text: string): string {
  return text.split(/\s+/).filter(Boolean).join(' ');
}

/** Return the user's text: the last text of the first message. */
export function promptOf(record: Readonly<Record<string, unknown>>): string {
  const messages: readonly unknown[] = Array.isArray(record['messages']) ? record['messages'] : [];
  const [first] = messages;
  const content = isRecord(first) && first['role'] === 'user' ? first['content'] : '';
  const blocks: readonly unknown[] = Array.isArray(content)
    ? content
    : [{ type: 'text', text: content }];
  const text = blocks.findLast((block) => isRecord(block) && block['type'] === 'text');
  return isRecord(text) && typeof text['text'] === 'string' ? text['text'] : '';
}
