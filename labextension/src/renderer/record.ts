// A turn record (schema 1) as the ops that would have built it, so that one view draws both.
// Always true: a record that is not of this schema gives null, and nothing here throws.
import { isRecord } from './state';

export const SCHEMA = 1;

/** The ops for `TurnState`, or null where the record cannot be drawn. */
export function opsOf(record: unknown): unknown[] | null {
  if (!isRecord(record) || record['schema'] !== SCHEMA || !Array.isArray(record['messages']))
    return null;
  const responses = Array.isArray(record['responses']) ? record['responses'].filter(isRecord) : [];
  const ops: unknown[] = [];
  let key = 0;
  let answers = 0;
  for (const message of record['messages'] as unknown[]) {
    if (!isRecord(message) || !Array.isArray(message['content'])) continue;
    const ours = message['role'] === 'assistant';
    const seconds = ours ? responses[answers++]?.['thinking_s'] : undefined;
    for (const block of message['content'] as unknown[]) {
      if (!isRecord(block) || (!ours && block['type'] !== 'tool_result')) continue;
      const timed = block['type'] === 'thinking' && typeof seconds === 'number';
      ops.push(['open', key, head(block)], ['close', key, timed ? { seconds, block } : { block }]);
      key += 1;
    }
  }
  ops.push(['state', state(record, responses)]);
  return ops;
}

/** The block without what the `close` op brings. */
function head(block: Record<string, unknown>): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(block).filter(([name]) => name !== 'text' && name !== 'thinking'),
  );
}

function state(
  record: Record<string, unknown>,
  responses: Record<string, unknown>[],
): Record<string, unknown> {
  const usage: Record<string, number> = {};
  let seconds = 0;
  for (const response of responses) {
    if (typeof response['seconds'] === 'number') seconds += response['seconds'];
    if (!isRecord(response['usage'])) continue;
    for (const [name, count] of Object.entries(response['usage'])) {
      if (typeof count === 'number') usage[name] = (usage[name] ?? 0) + count;
    }
  }
  const known = Object.fromEntries(
    ['model', 'thread']
      .filter((name) => typeof record[name] === 'string')
      .map((name) => [name, record[name]]),
  );
  const reason = responses.at(-1)?.['stop_reason'];
  return {
    ...known,
    status: record['status'],
    usage,
    seconds,
    ...(typeof reason === 'string' ? { stop_reason: reason } : {}),
    ...(typeof record['error'] === 'string' ? { error: record['error'] } : {}),
  };
}
