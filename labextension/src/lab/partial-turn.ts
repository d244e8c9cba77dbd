// Makes the output of a turn that is still running, or whose kernel is gone, from what this page has received.
import type { JSONObject } from '@lumino/coreutils';
import { MIME_TYPE, type CallStatus } from '../protocol';
import { t } from '../renderer/strings';
import {
  answeredCalls,
  contentParts,
  isImage,
  isRecord,
  type Block,
  type TurnState,
} from '../renderer/turn-state';
import { useVersion, versionCount } from '../renderer/versions';
import { makeBundle } from './saved-bundle';

type Fields = Readonly<Record<string, unknown>>;

export interface TurnOutput {
  readonly data: JSONObject;
  readonly metadata: JSONObject;
}

const OUTCOMES: ReadonlySet<CallStatus> = new Set(['done', 'failed', 'denied', 'interrupted']);
/** Return the record of the turn as a stopped one, or null if the kernel has not sent what it needs. */
export function partialRecord(state: TurnState, seconds: number, note: string): JSONObject | null {
  const { record, blocks, recorded, calls } = state;
  if (!record) return null;
  const added = blocks.slice(recorded);
  const answered = answeredCalls(blocks);
  const inText = new Map(added.filter(isInText).map(({ head }) => [head['id'], head] as const));
  const answer = added.filter((block) => block.head.type !== 'tool_result' && !isInText(block));
  const results = added.filter(({ head }) => head.type === 'tool_result');
  const messages = Array.isArray(record['messages']) ? [...(record['messages'] as unknown[])] : [];
  const exact = isRecord(record['json']) ? { ...record['json'] } : {};
  for (const [role, part] of [['assistant', answer] as const, ['user', results] as const]) {
    if (part.length === 0) continue;
    part.forEach((block, index) => {
      if (block.exact !== null) exact[`messages.${messages.length}.content.${index}`] = block.exact;
    });
    const images = part.filter(({ head }) => inText.has(head['tool_use_id'])).flatMap(imagesOf);
    messages.push({
      role,
      content: [...part.map((block) => contentBlock(block, inText)), ...images],
    });
  }
  const responses = Array.isArray(record['responses']) ? record['responses'].filter(isRecord) : [];
  const last = responses.at(-1);
  if (last && answer.length > 0) {
    const outcomes = results.flatMap((result) => {
      const id = String(result.head['tool_use_id']);
      const call = calls.get(answered.get(result) ?? -1);
      if (!call || !OUTCOMES.has(call.state)) return [];
      const written = inText.get(id);
      const described = written ? { name: written['name'], input: written['input'] ?? {} } : {};
      return [{ id, outcome: call.state, seconds: call.seconds ?? null, ...described }];
    });
    responses[responses.length - 1] = {
      ...last,
      seconds: secondsOfLast(responses, seconds),
      ...unfinished(answer),
      ...(outcomes.length > 0 ? { tools: outcomes } : {}),
    };
  }
  const notes = Array.isArray(record['notes']) ? (record['notes'] as unknown[]) : [];
  return {
    ...record,
    messages,
    responses,
    notes: [...notes, note],
    ...(Object.keys(exact).length > 0 ? { json: exact } : {}),
  } as JSONObject;
}

/** Whether the kernel of a turn is gone. */
export type Lost = 'perhaps' | 'surely' | null;

/**
 * Return the output of a turn as far as it was received, or null if the kernel has not sent what it needs. If nothing
 * was received and nothing will be, it is the earlier answer.
 */
export function partialOutput(state: TurnState, seconds: number, lost: Lost): TurnOutput | null {
  const isGone = lost !== null;
  const note = t(isGone ? 'partial.gone' : 'partial.running');
  const record = partialRecord(state, seconds, note);
  if (!record) return null;
  const earlier = lost === 'surely' ? earlierOutput(record) : null;
  if (earlier) return earlier;
  const data = makeBundle(record) ?? { [MIME_TYPE]: record, 'text/plain': note };
  return {
    data,
    metadata: { [MIME_TYPE]: { notes: [], partial: isGone ? 'gone' : 'running' } },
  };
}

function earlierOutput(record: JSONObject): TurnOutput | null {
  const messages = record['messages'] as readonly unknown[];
  if (messages.some((message) => isRecord(message) && message['role'] === 'assistant')) return null;
  const earlier = useVersion(record, versionCount(record) - 1);
  if (!earlier) return null;
  const [, ...versions] = earlier['versions'] as JSONObject[];
  const data = makeBundle({ ...earlier, versions, newer: 0 });
  return data && { data, metadata: { [MIME_TYPE]: { notes: [t('partial.earlier')] } } };
}

/** Return whether the model wrote the call into its text, so that the message has no block for it. */
function isInText({ head }: Block): boolean {
  return head['in_text'] === true;
}

/** Return the block as it is in a message. The result of a call in the text was sent as text. */
function contentBlock(
  { head, text, reasoning, closed }: Block,
  inText: ReadonlyMap<unknown, Fields>,
): Fields {
  if (head.type === 'text')
    return { ...head, text, ...(reasoning ? { reasoning_content: reasoning } : {}) };
  const call = head.type === 'tool_result' ? inText.get(head['tool_use_id']) : undefined;
  if (call) return { type: 'text', text: `${String(call['name'])} returned:\n${text}` };
  if (head.type === 'thinking') return { ...head, thinking: text };
  if (head.type === 'tool_use') return { ...head, input: closed ? (head['input'] ?? {}) : {} };
  return head;
}

/** Return the images of a result: below the texts, if the call was in a text. */
function imagesOf({ head }: Block): Fields[] {
  return contentParts(head['content']).filter(isImage);
}

/** Return which block of the message was cut. */
function unfinished(answer: readonly Block[]): Fields {
  const index = answer.findLastIndex(({ closed }) => !closed);
  const block = answer[index];
  if (!block) return {};
  return {
    unfinished: index,
    ...(block.head.type === 'tool_use' ? { partial_json: block.text } : {}),
  };
}

function secondsOfLast(responses: readonly Fields[], seconds: number): number {
  const before = responses
    .slice(0, -1)
    .reduce((sum, each) => sum + Number(each['seconds'] ?? 0), 0);
  return Math.round(Math.max(0, seconds - before) * 1000) / 1000;
}
