// Makes the output of a turn that is still running, or whose kernel is gone, from what this page has received.
import type { JSONObject } from '@lumino/coreutils';
import { MIME_TYPE, type CallStatus } from '../protocol';
import { t } from '../renderer/strings';
import {
  answeredCalls,
  contentParts,
  isImage,
  isRecord,
  isRunning,
  type Block,
  type TurnState,
} from '../renderer/turn-state';
import { comparedVersions, useVersion, versionCount } from '../renderer/versions';
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
  if (state.parts.length > 0) return partialComparison(record, state.parts, seconds, note);
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

/** Return the record of a turn with several answers: those that have ended are complete, the others stopped. */
function partialComparison(
  record: Fields,
  parts: readonly TurnState[],
  seconds: number,
  note: string,
): JSONObject {
  const received = parts.flatMap((part) => {
    const { status, seconds: own } = part.fields;
    const made = partialRecord(part, own ?? seconds, note);
    if (!made) return [];
    const hasEnded = !isRunning(status) && part.fields.gone !== true;
    const notes = (made['notes'] as unknown[]).filter((each) => each !== note);
    return [hasEnded ? ({ ...made, status, notes } as JSONObject) : made];
  });
  const ofId = new Map(received.map((each) => [each['id'], each]));
  const versions = Array.isArray(record['versions']) ? record['versions'].filter(isRecord) : [];
  return {
    ...record,
    ...ofId.get(record['id'] as string),
    versions: versions.map((each) => ofId.get(each['id'] as string) ?? each),
    ...('newer' in record ? { newer: record['newer'] } : {}),
    undecided: true,
  } as unknown as JSONObject;
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
  const compared = [...comparedVersions(record).values()];
  const own = compared.length > 1 ? compared : [record];
  if (own.some(hasAnswer)) return null;
  const earlier = useVersion(record, versionCount(record) - own.length);
  if (!earlier) return null;
  const versions = (earlier['versions'] as JSONObject[]).slice(own.length);
  const data = makeBundle({ ...earlier, versions, newer: 0 });
  return data && { data, metadata: { [MIME_TYPE]: { notes: [t('partial.earlier')] } } };
}

function hasAnswer({ messages }: Fields): boolean {
  const found = Array.isArray(messages) ? messages.filter(isRecord) : [];
  return found.some(({ role }) => role === 'assistant');
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
