// The state of a turn, built from the ops that the kernel sends: a pure reducer, without DOM or clock.
// Unknown ops change nothing and throw nothing. The state does not depend on how text is split into `add` ops.

import type { CallChange, CallQuestion, CallStatus, Status, StateChange } from '../protocol';

/** A content block without its streamed text. Its fields depend on its type. */
export type BlockHead = Readonly<Record<string, unknown>> & { readonly type: string };

export interface Block {
  readonly key: number;
  readonly head: BlockHead;
  /** What `add` ops appended: text, thinking, the partial JSON of a tool's input, or a result. */
  readonly text: string;
  /** What `think` ops appended: thinking in a field of its own, `reasoning_content`. */
  readonly reasoning: string;
  /** The end of `text`. Reading new text from it does not flatten all of `text` in every frame. */
  readonly recent: string;
  /** How often `text` was replaced by a text that does not continue it. */
  readonly revision: number;
  readonly closed: boolean;
  readonly seconds: number | null;
  /** The JSON text of the complete block, if saving a notebook changes it. */
  readonly exact: string | null;
}

/** The fields that `state` ops merge into. Except for `status`, a field may be missing or have the wrong type. */
export interface TurnFields extends StateChange {
  readonly status: Status;
  /** Only a saved turn has these. */
  readonly first_token_s?: number;
  readonly created?: string;
  /** The number of the version that is shown, if the saved turn has several. */
  readonly version?: number;
  /** The changes of the notebook: the note about each, and its cell. */
  readonly changes?: readonly Readonly<Record<string, unknown>>[];
  /** How many versions there are. */
  readonly versions?: number;
  /** Whether the conversation continues with this one of several answers. */
  readonly active?: boolean;
  /** Whether nothing was received of this one of several answers. */
  readonly empty?: boolean;
  /** From the document comm. */
  readonly marks?: readonly string[];
  /** Stop was pressed on this page. */
  readonly stopping?: boolean;
  /** The kernel sent nothing for a while, not even a sign of life. */
  readonly silent?: boolean;
  /** The kernel is gone: nothing more will be received. */
  readonly gone?: boolean;
}

export interface TurnState {
  readonly fields: TurnFields;
  /** In the order in which they were opened. */
  readonly blocks: readonly Block[];
  /** By the key of the `tool_use` block: a model may use one id twice. */
  readonly calls: ReadonlyMap<number, CallChange>;
  /** The record of the turn without the message that is being received, or null. */
  readonly record: Readonly<Record<string, unknown>> | null;
  /** How many of the blocks are in the record. */
  readonly recorded: number;
  /** The answers, if several were asked for at once. The turn itself has no blocks then. */
  readonly parts: readonly TurnState[];
}

export const EMPTY: TurnState = {
  fields: { status: 'waiting' },
  blocks: [],
  calls: new Map(),
  record: null,
  recorded: 0,
  parts: [],
};

const MAX_PARTS = 100;

const CALL_STATES: ReadonlySet<unknown> = new Set<CallStatus>([
  'asking',
  'decided',
  'running',
  'done',
  'failed',
  'denied',
  'interrupted',
]);

const STATUSES: ReadonlySet<unknown> = new Set<Status>([
  'waiting',
  'thinking',
  'answering',
  'complete',
  'stopped',
  'truncated',
  'failed',
]);

export function isRunning(status: Status): boolean {
  return status === 'waiting' || status === 'thinking' || status === 'answering';
}

/** Return the status to show: `refused` if the model declined to answer, `window` if its window was full. */
export function displayedStatus({
  status,
  stop_reason,
}: TurnFields): Status | 'refused' | 'window' {
  if (status === 'complete' && stop_reason === 'refusal') return 'refused';
  if (status === 'truncated' && stop_reason === 'model_context_window_exceeded') return 'window';
  return status;
}

export function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** Return the parts of a tool result whose content is a list. */
export function contentParts(content: unknown): Record<string, unknown>[] {
  return Array.isArray(content) ? content.filter(isRecord) : [];
}

export function isImage(part: Readonly<Record<string, unknown>>): boolean {
  return part['type'] === 'image';
}

/** Return the text of one part of a tool result, or its type if it is not text. */
function partText(part: Record<string, unknown>): string {
  const { text, type } = part;
  return typeof text === 'string' ? text : `[${typeof type === 'string' ? type : ''}]`;
}

/** Return the text of a complete block, or null if its type has none. */
function textOf(block: Record<string, unknown>): string | null {
  for (const field of ['text', 'thinking', 'content']) {
    const value = block[field];
    if (typeof value === 'string') return value;
    if (Array.isArray(value))
      return contentParts(value)
        .filter((part) => !isImage(part)) // images are shown below the text
        .map(partText)
        .join('\n');
  }
  return null;
}

/** Return the thinking in a field of its own, or null. */
function reasoningOf(block: Record<string, unknown>): string | null {
  const value = block['reasoning_content'];
  return typeof value === 'string' ? value : null;
}

const RECENT_LENGTH = 16_384;

/** Shorten `recent`, the end of a text. The result depends only on the text and its `length`. */
function endOf(recent: string, length: number): string {
  const size = length < 2 * RECENT_LENGTH ? length : RECENT_LENGTH + (length % RECENT_LENGTH);
  return recent.length > size ? recent.slice(-size) : recent;
}

function appendText(block: Block, more: string): Block {
  const text = block.text + more;
  return { ...block, text, recent: endOf(block.recent + more, text.length) };
}

function replaceText(block: Block, text: string): Block {
  if (text === block.text) return block;
  const continues = text.startsWith(block.text);
  const revision = block.revision + (continues ? 0 : 1);
  return { ...block, text, recent: endOf(text, text.length), revision };
}

function openBlock(blocks: Block[], key: number, head: Record<string, unknown>): void {
  const type = typeof head['type'] === 'string' ? head['type'] : 'unknown';
  const text = textOf(head) ?? '';
  blocks.push({
    key,
    head: { ...head, type },
    text,
    reasoning: reasoningOf(head) ?? '',
    recent: endOf(text, text.length),
    revision: 0,
    closed: false,
    seconds: null,
    exact: null,
  });
}

function closeBlock(block: Block, info: unknown): Block {
  const fields = isRecord(info) ? info : {};
  const seconds = typeof fields['seconds'] === 'number' ? fields['seconds'] : block.seconds;
  const exact = typeof fields['exact'] === 'string' ? fields['exact'] : null;
  let done: Block = { ...block, closed: true, seconds, exact };
  const complete = fields['block'];
  if (isRecord(complete)) {
    const text = textOf(complete);
    if (text !== null) done = replaceText(done, text);
    done = { ...done, reasoning: reasoningOf(complete) ?? done.reasoning };
    done = { ...done, head: { ...done.head, ...complete, type: done.head.type } };
  }
  return done;
}

function mergeFields(fields: TurnFields, change: Record<string, unknown>): TurnFields {
  const { status, ...rest } = change;
  const valid = STATUSES.has(status) ? (status as Status) : fields.status;
  return { ...fields, ...rest, status: valid };
}

function mergeCall(
  current: CallChange | undefined,
  change: Record<string, unknown>,
): CallChange | null {
  const next = { ...current, ...change };
  const { state, seconds, question } = next;
  if (!CALL_STATES.has(state)) return null;
  return {
    state: state as CallStatus,
    ...(typeof seconds === 'number' ? { seconds } : {}),
    ...(isQuestion(question) ? { question } : {}),
  };
}

function isQuestion(value: unknown): value is CallQuestion {
  return (
    isRecord(value) &&
    hasTexts(value, 'id', 'sha256', 'name', 'risk', 'always') &&
    Array.isArray(value['parts']) &&
    value['parts'].every(
      (part) => isRecord(part) && hasTexts(part, 'label', 'language', 'text', 'size'),
    )
  );
}

function hasTexts(value: Record<string, unknown>, ...names: string[]): boolean {
  return names.every((name) => typeof value[name] === 'string');
}

function mergeRecord(
  record: TurnState['record'],
  change: Record<string, unknown>,
): Record<string, unknown> {
  const messages = [record, change].flatMap((each) =>
    Array.isArray(each?.['messages']) ? (each['messages'] as unknown[]) : [],
  );
  const [exact, more] = [record?.['json'], change['json']];
  const json = isRecord(exact) && isRecord(more) ? { ...exact, ...more } : (more ?? exact);
  return { ...record, ...change, messages, ...(json === undefined ? {} : { json }) };
}

/** Return the state after `ops`. A malformed or unknown op changes nothing. */
export function reduce(state: TurnState, ops: unknown): TurnState {
  if (!Array.isArray(ops)) return state;
  const blocks = [...state.blocks];
  const positions = new Map<unknown, number>(blocks.map((block, at) => [block.key, at]));
  const calls = new Map(state.calls);
  let { fields, record, recorded } = state;
  const partOps = new Map<number, unknown[]>();
  for (const op of ops as unknown[]) {
    if (!Array.isArray(op)) continue;
    const [kind, key, value] = op as unknown[];
    if (kind === 'state') {
      if (isRecord(key)) fields = mergeFields(fields, key);
    } else if (kind === 'tool') {
      const next =
        typeof key === 'number' && isRecord(value) ? mergeCall(calls.get(key), value) : null;
      if (next) calls.set(key as number, next);
    } else if (kind === 'record') {
      if (!isRecord(key)) continue;
      record = mergeRecord(record, key);
      recorded = blocks.length;
    } else if (kind === 'part') {
      if (typeof key !== 'number' || !(key >= 0 && key < MAX_PARTS)) continue;
      const own = partOps.get(key);
      if (own) own.push(value);
      else partOps.set(key, [value]);
    } else if (kind === 'open') {
      if (typeof key !== 'number' || !isRecord(value) || positions.has(key)) continue;
      positions.set(key, blocks.length);
      openBlock(blocks, key, value);
    } else if (kind === 'add' || kind === 'think' || kind === 'close') {
      const at = positions.get(key) ?? -1;
      const block = blocks[at];
      if (block === undefined) continue;
      if (kind === 'close') blocks[at] = closeBlock(block, value);
      else if (typeof value === 'string')
        blocks[at] =
          kind === 'add'
            ? appendText(block, value)
            : { ...block, reasoning: block.reasoning + value };
    }
  }
  return { fields, blocks, calls, record, recorded, parts: reduceParts(state.parts, partOps) };
}

function reduceParts(
  before: readonly TurnState[],
  ops: ReadonlyMap<number, unknown[]>,
): readonly TurnState[] {
  if (ops.size === 0) return before;
  const parts = [...before];
  for (const [number, own] of ops) {
    while (parts.length <= number) parts.push(EMPTY);
    parts[number] = reduce(parts[number] ?? EMPTY, own);
  }
  return parts;
}

/** Return the fields of a turn with several answers as a whole. Each answer shows its own usage. */
export function overallFields({ fields, parts }: TurnState): TurnFields {
  const { notes, marks, stopping, silent, gone, created, thread, timeout, versions, version } =
    fields;
  const order = ['answering', 'thinking'] as const;
  const status = isRunning(fields.status)
    ? (order.find((each) => parts.some((part) => part.fields.status === each)) ?? 'waiting')
    : fields.status;
  const seconds = Math.max(0, ...parts.map((part) => part.fields.seconds ?? 0));
  const known = {
    notes,
    marks,
    stopping,
    silent,
    gone,
    created,
    thread,
    timeout,
    versions,
    version,
  };
  const given = Object.entries(known).filter(([, value]) => value !== undefined);
  return { ...Object.fromEntries(given), status, seconds };
}

/** Return the key of the call whose question is open, or null. */
export function askingCall({ calls }: TurnState, question: string): number | null {
  for (const [key, call] of calls)
    if (call.state === 'asking' && call.question?.id === question) return key;
  return null;
}

/** Return the key of the call that each result answers: the first call with its id since the id was last answered. */
export function answeredCalls(blocks: readonly Block[]): ReadonlyMap<Block, number> {
  const answered = new Map<Block, number>();
  const open = new Map<unknown, number>();
  const done = new Set<unknown>();
  for (const block of blocks) {
    const { type, id, tool_use_id: of } = block.head;
    if (type === 'tool_use' && typeof id === 'string' && (!open.has(id) || done.delete(id)))
      open.set(id, block.key);
    const key = type === 'tool_result' ? open.get(of) : undefined;
    if (key === undefined) continue;
    answered.set(block, key);
    done.add(of);
  }
  return answered;
}

/**
 * Return `next`, the state of a saved turn, such that a view of `before` can show it by changing only what differs, or
 * null if it contains other blocks.
 */
export function continues(before: TurnState, next: TurnState): TurnState | null {
  const blocks: Block[] = [];
  for (const block of next.blocks) {
    const old = before.blocks[blocks.length];
    const isSame =
      old?.key === block.key &&
      ['type', 'id', 'tool_use_id'].every((name) => old.head[name] === block.head[name]) &&
      (old.text === block.text || block.head.type === 'tool_use');
    if (!isSame) return null;
    blocks.push({ ...block, text: old.text, recent: old.recent, revision: old.revision });
  }
  const parts: TurnState[] = [];
  for (const [index, part] of next.parts.entries()) {
    const old = before.parts[index];
    const continued = old ? continues(old, part) : null;
    if (!continued) return null;
    parts.push(continued);
  }
  const isSame = blocks.length === before.blocks.length && parts.length === before.parts.length;
  return isSame ? { ...next, blocks, parts } : null;
}
