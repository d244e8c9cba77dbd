// Converts a turn record (schema 1 or 2) to ops, so one view draws streaming and saved turns.
// A damaged record or one with another schema gives null; nothing here throws.
import { costOf, dollars, modelNamed, savedBy, sizeOf } from './model-catalogue';
import type { Status } from '../protocol';
import { t } from './strings';
import { isImage, isRecord } from './turn-state';
import { SUMMARY } from './views/thinking-view';
import { comparedVersions, versionCount, versionNumber } from './versions';

const SCHEMAS: ReadonlySet<unknown> = new Set([1, 2]);

type Fields = Readonly<Record<string, unknown>>;

/** The kernel cannot read a record with many more levels, and this page could not draw it. */
const MAX_NESTING = 200;

const FINAL_STATUSES: ReadonlySet<unknown> = new Set<Status>([
  'complete',
  'stopped',
  'truncated',
  'failed',
]);
/** The speed of a shorter stream is not shown. */
const MIN_STREAM_SECONDS = 0.05;

/** Return the ops for `reduce`, or null if the record cannot be drawn. `notes` are shown below those of the turn. */
export function recordToOps(record: unknown, notes: readonly unknown[] = []): unknown[] | null {
  if (!isRecord(record) || !SCHEMAS.has(record['schema'])) return null;
  if (!FINAL_STATUSES.has(record['status'])) return null;
  if (!Array.isArray(record['messages']) || isDeeper(record, MAX_NESTING)) return null;
  const compared = comparedVersions(record);
  if (compared.size > 1) return comparisonOps(record, compared, notes);
  const responses = Array.isArray(record['responses']) ? record['responses'].filter(isRecord) : [];
  return [
    ...summaryOps(record['compacted']),
    ...blockOps(record['messages'], responses, record['json']),
    ['state', { ...state(record, responses), notes: [...notesOf(record), ...notes] }],
  ];
}

/** Return the ops for answers that are shown side by side. */
function comparisonOps(
  record: Fields,
  compared: ReadonlyMap<number, Fields>,
  notes: readonly unknown[],
): unknown[] {
  const ops: unknown[] = [];
  for (const [version, each] of compared) {
    const part = ops.length;
    const own = recordToOps(each) ?? [];
    const active = each['id'] === record['id'];
    const empty = !own.some((op) => Array.isArray(op) && op[0] === 'open');
    ops.push([...own, ['state', { version, active, empty }]].map((op) => ['part', part, op]));
  }
  const { status, thread, created } = record;
  return [...ops.flat(1), ['state', { status, thread, created, notes }]];
}

function isDeeper(value: unknown, levels: number): boolean {
  if (typeof value !== 'object' || value === null) return false;
  return levels === 0 || Object.values(value).some((each) => isDeeper(each, levels - 1));
}

/** Comes before the keys of the blocks, and is none that an op for a missing block has. */
const SUMMARY_KEY = -2;

/** Return the ops for the summary of earlier turns, if the turn was answered with a new one. */
function summaryOps(compacted: unknown): unknown[] {
  if (!isRecord(compacted) || typeof compacted['summary'] !== 'string' || !compacted['summary'])
    return [];
  const { turns, tokens, summary } = compacted;
  const count = Array.isArray(turns) ? turns.length : 0;
  const [before, after] = Array.isArray(tokens) ? tokens.map((each) => number(each)) : [];
  const key = count === 1 ? 'summary.one' : 'summary';
  const values = { before: thousands(before), after: thousands(after), count };
  const head = { type: SUMMARY, title: t(key, values) };
  return [
    ['open', SUMMARY_KEY, head],
    ['add', SUMMARY_KEY, summary],
    ['close', SUMMARY_KEY, { block: head }],
  ];
}

function thousands(count = 0): string {
  return count.toLocaleString('en');
}

function blockOps(
  messages: readonly unknown[],
  responses: readonly Fields[],
  exact: unknown,
): unknown[] {
  const texts = isRecord(exact) ? exact : {};
  const ops: unknown[] = [];
  let key = 0;
  let answers = 0;
  for (const [number, message] of messages.entries()) {
    if (!isRecord(message)) continue;
    const isAnswer = message['role'] === 'assistant';
    const response = isAnswer ? responses[answers++] : undefined;
    const callKeys = new Map<unknown, number>();
    let thinkingSeconds = response?.['thinking_s'];
    contentOf(message).forEach((block, index) => {
      const isImage = number === 0 && block['type'] === 'image';
      if (!isAnswer && block['type'] !== 'tool_result' && !isImage) return;
      const info: Record<string, unknown> = { block };
      const text = texts[`messages.${number}.content.${index}`];
      if (block['type'] === 'tool_use') {
        if (!callKeys.has(block['id'])) callKeys.set(block['id'], key);
        if (typeof text === 'string' && isSame(text, block)) info['exact'] = text;
      }
      if (block['type'] === 'thinking' && typeof thinkingSeconds === 'number') {
        info['seconds'] = thinkingSeconds;
        thinkingSeconds = undefined;
      }
      ops.push(['open', key, head(block)]);
      if (response?.['unfinished'] === index && typeof response['partial_json'] === 'string')
        ops.push(['add', key, response['partial_json']]);
      ops.push(['close', key, info]);
      key += 1;
    });
    for (const block of isAnswer ? textCalls(response, messages[number + 1]) : []) {
      if (block['type'] === 'tool_use') callKeys.set(block['id'], key);
      ops.push(['open', key, head(block)], ['close', key, { block }]);
      key += 1;
    }
    for (const op of callOps(response, callKeys)) ops.push(op);
  }
  return ops;
}

/** Return blocks for the calls that the model wrote into its text, and for their results, which were sent as text. */
function textCalls(response: Fields | undefined, next: unknown): Fields[] {
  const tools = Array.isArray(response?.['tools']) ? response['tools'].filter(isRecord) : [];
  const calls = tools.filter(({ name }) => typeof name === 'string');
  const texts = calls.length > 0 && isRecord(next) ? contentOf(next) : [];
  const images = texts.filter(isImage); // below the texts of all results: the last call shows them
  const results = texts.slice(0, calls.length).map((block, index) => {
    const id = calls[index]?.['id'];
    const content = index === calls.length - 1 ? [block, ...images] : [block];
    return { type: 'tool_result', tool_use_id: id, content };
  });
  const blocks = calls.map(({ id, name, input }) => {
    return { type: 'tool_use', id, name, input, in_text: true };
  });
  return [...blocks, ...results];
}

/** Return the changes of the notebook that have a line for the reader. */
function changesOf(record: Fields): Fields[] {
  const changes = Array.isArray(record['changes']) ? record['changes'].filter(isRecord) : [];
  return changes.filter(({ text }) => typeof text === 'string');
}

/** Return the verdict of a check, the changes of the notebook, and the notes about how the turn ended. */
function notesOf(record: Fields): readonly unknown[] {
  const notes = Array.isArray(record['notes']) ? (record['notes'] as unknown[]) : [];
  return [...verdictOf(record['check']), ...notes, ...changesOf(record).map(({ text }) => text)];
}

/** Return the verdict of a check in one line, as mm_magics/display/verdict.py does, if there is one. */
function verdictOf(check: unknown): string[] {
  if (!isRecord(check)) return [];
  const { name, verdict, text } = check;
  const found = [verdict === 'text' ? '' : verdict, text].filter(
    (each) => typeof each === 'string' && each,
  );
  return [`${String(name)}: ${found.join(': ')}`];
}

/** Return the ops with the outcome of each tool call of a message. */
function callOps(response: Fields | undefined, keys: ReadonlyMap<unknown, number>): unknown[] {
  const tools = Array.isArray(response?.['tools']) ? response['tools'].filter(isRecord) : [];
  return tools.map(({ id, outcome, seconds }) => [
    'tool',
    keys.get(id),
    { state: outcome, seconds },
  ]);
}

/** Return whether the exact JSON text is that of the block, as far as this page can tell: somebody may have edited it. */
function isSame(exact: string, block: Fields): boolean {
  try {
    return sortedJson(JSON.parse(exact)) === sortedJson(block);
  } catch {
    return false;
  }
}

function sortedJson(value: unknown): string {
  return JSON.stringify(value, (_, each: unknown) =>
    isRecord(each)
      ? Object.fromEntries(Object.entries(each).sort(([a], [b]) => (a < b ? -1 : 1)))
      : each,
  );
}

/** Return the blocks of the message. Content that is a string is one text block. */
function contentOf(message: Fields): readonly Fields[] {
  const content = message['content'];
  if (typeof content === 'string') return content ? [{ type: 'text', text: content }] : [];
  return Array.isArray(content) ? content.filter(isRecord) : [];
}

/** Return the block without its text, which the `close` op adds. */
function head(block: Fields): Fields {
  return Object.fromEntries(
    Object.entries(block).filter(([name]) => name !== 'text' && name !== 'thinking'),
  );
}

function state(record: Fields, responses: readonly Fields[]): Fields {
  const usage: Record<string, number> = {};
  let seconds = 0;
  let streaming = 0;
  let cost: number | null = 0;
  let saved = 0;
  let used = 0;
  const model = modelNamed(record['model']);
  const compacted = isRecord(record['compacted']) ? record['compacted'] : {};
  const writing = Array.isArray(compacted['responses']) ? compacted['responses'] : [];
  for (const response of [...writing.filter(isRecord), ...responses]) {
    const duration = number(response['seconds']);
    seconds += duration;
    if (!isRecord(response['usage'])) continue;
    const recorded = response['cost'];
    const callCost = typeof recorded === 'number' ? recorded : costOf(response['usage'], model);
    cost = callCost !== null && cost !== null ? cost + callCost : null;
    if (recorded === undefined) saved += savedBy(response['usage'], model);
    used = 'calls' in response ? 0 : sizeOf(response['usage']);
    for (const [name, count] of Object.entries(response['usage']))
      usage[name] = (usage[name] ?? 0) + number(count);
    if (typeof response['first_token_s'] === 'number')
      streaming += duration - response['first_token_s'];
  }
  const output = usage['output_tokens'] ?? 0;
  const fields: Record<string, unknown> = { status: record['status'], usage, seconds };
  const changes = changesOf(record);
  if (changes.length > 0) fields['changes'] = changes.map(({ text, cell }) => ({ text, cell }));
  if (streaming > MIN_STREAM_SECONDS && output > 0) fields['tokens_per_s'] = output / streaming;
  if (cost) fields['cost'] = dollars(cost);
  if (saved >= 0.0001) fields['saved'] = dollars(saved);
  const share = model?.window ? used / model.window : 0;
  if (share >= 0.01) fields['window'] = `${Math.round(share * 100)} %`;
  const params = record['params'];
  const config = isRecord(params) ? params['output_config'] : undefined;
  if (isRecord(config)) fields['effort'] = config['effort'];
  if (responses.length === 1) fields['first_token_s'] = responses[0]?.['first_token_s'];
  fields['stop_reason'] = responses.at(-1)?.['stop_reason'];
  fields['version'] = versionNumber(record);
  fields['versions'] = versionCount(record);
  for (const name of ['model', 'thread', 'error', 'created']) fields[name] = record[name];
  return fields;
}

function number(value: unknown): number {
  return typeof value === 'number' ? value : 0;
}
