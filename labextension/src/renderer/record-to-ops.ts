// A turn record (schema 1) as the ops that would have built it, so that one view draws both.
// Always true: a record that is damaged or of another schema gives null, and nothing here throws.
import { costOf, dollars, modelNamed } from './model-catalogue';
import type { Status } from '../protocol';
import { isRecord } from './turn-state';

export const SCHEMA = 1;

type Fields = Readonly<Record<string, unknown>>;

const ENDS: ReadonlySet<unknown> = new Set<Status>(['complete', 'stopped', 'truncated', 'failed']);
const SPEED_NEEDS_SECONDS = 0.05;

/** The ops for `TurnState`, or null where the record cannot be drawn. */
export function opsOf(record: unknown): unknown[] | null {
  if (!isRecord(record) || record['schema'] !== SCHEMA || !ENDS.has(record['status'])) return null;
  if (!Array.isArray(record['messages'])) return null;
  const responses = Array.isArray(record['responses']) ? record['responses'].filter(isRecord) : [];
  return [
    ...blockOps(record['messages'], responses),
    ...callOps(responses),
    ['state', state(record, responses)],
  ];
}

function blockOps(messages: readonly unknown[], responses: readonly Fields[]): unknown[] {
  const ops: unknown[] = [];
  let key = 0;
  let answers = 0;
  for (const message of messages) {
    if (!isRecord(message)) continue;
    const ours = message['role'] === 'assistant';
    const response = ours ? responses[answers++] : undefined;
    let untimed = response?.['thinking_s'];
    contentOf(message).forEach((block, index) => {
      if (!ours && block['type'] !== 'tool_result') return;
      const info: Record<string, unknown> = { block };
      if (block['type'] === 'thinking' && typeof untimed === 'number') {
        info['seconds'] = untimed;
        untimed = undefined;
      }
      ops.push(['open', key, head(block)]);
      if (response?.['unfinished'] === index && typeof response['partial_json'] === 'string')
        ops.push(['add', key, response['partial_json']]);
      ops.push(['close', key, info]);
      key += 1;
    });
  }
  return ops;
}

/** How the calls of tools ended. */
function callOps(responses: readonly Fields[]): unknown[] {
  return responses
    .flatMap(({ tools }) => (Array.isArray(tools) ? tools.filter(isRecord) : []))
    .map(({ id, outcome, seconds }) => ['tool', id, { state: outcome, seconds }]);
}

/** The message's blocks; a content that is a string is one text block. */
function contentOf(message: Fields): readonly Fields[] {
  const content = message['content'];
  if (typeof content === 'string') return content ? [{ type: 'text', text: content }] : [];
  return Array.isArray(content) ? content.filter(isRecord) : [];
}

/** The block without what the `close` op brings. */
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
  const price = modelNamed(record['model'])?.price;
  for (const response of responses) {
    const took = number(response['seconds']);
    seconds += took;
    if (!isRecord(response['usage'])) continue;
    cost = price && cost !== null ? cost + costOf(response['usage'], price) : null;
    for (const [name, count] of Object.entries(response['usage']))
      usage[name] = (usage[name] ?? 0) + number(count);
    if (typeof response['first_token_s'] === 'number')
      streaming += took - response['first_token_s'];
  }
  const output = usage['output_tokens'] ?? 0;
  const fields: Record<string, unknown> = { status: record['status'], usage, seconds };
  if (streaming > SPEED_NEEDS_SECONDS && output > 0) fields['tokens_per_s'] = output / streaming;
  if (cost) fields['cost'] = dollars(cost);
  if (responses.length === 1) fields['first_token_s'] = responses[0]?.['first_token_s'];
  fields['stop_reason'] = responses.at(-1)?.['stop_reason'];
  for (const name of ['model', 'thread', 'error']) fields[name] = record[name];
  return fields;
}

function number(value: unknown): number {
  return typeof value === 'number' ? value : 0;
}
