// Every text that a turn shows. Each is the literal argument of a `__` call, so that gettext's tools find it.
// Without a translation the texts are English. Placeholders are written `{name}`, also in translations.

/** The part of JupyterLab's `TranslationBundle` that we use. */
export interface Translation {
  readonly __: (english: string) => string;
}

/** The extension and the widget are separate bundles, and share the translation through this slot of the page. */
const KEY = Symbol.for('mm_magics.translation/1');

const ENGLISH: Translation = { __: (english) => english };

const texts = (trans: Translation) => ({
  'turn.label': trans.__('MiniMax answer'),
  'status.waiting': trans.__('waiting'),
  'status.asking': trans.__('needs your approval'),
  'status.thinking': trans.__('thinking'),
  'status.answering': trans.__('answering'),
  'status.complete': trans.__('done'),
  'status.stopped': trans.__('stopped'),
  'status.truncated': trans.__('cut off by max_tokens'),
  'status.window': trans.__('cut off by the context window'),
  'status.refused': trans.__('refused by the model'),
  'status.failed': trans.__('failed'),
  'status.silent': trans.__('no sign of life'),
  'status.silent.why': trans.__(
    'The kernel has sent nothing for a while. It is busy with code that cannot be interrupted, or gone.',
  ),
  'status.quiet': trans.__('no data for {quiet}, giving up in {left}'),
  'status.retry': trans.__('retrying in {time} ({attempt} of {of})'),
  'status.rows': trans.__('{done} of {rows} rows, {failed} failed'),
  'status.gone': trans.__('stopped: the kernel is gone'),
  'partial.gone': trans.__(
    'The kernel was gone before the answer was complete. This is what was received.',
  ),
  'partial.earlier': trans.__('No response was received this time; this is the earlier answer.'),
  'partial.running': trans.__('The answer was not complete when the notebook was saved.'),
  'cell.deleted': trans.__('this cell was deleted'),
  'mark.removed': trans.__('not in the conversation'),
  'mark.removed.why': trans.__(
    '%minimax undo or clear removed this turn, and it is not sent. Run the cell again to add it.',
  ),
  'mark.stale': trans.__('stale'),
  'mark.stale.why': trans.__(
    'A turn above has changed since this answer. Run the cell again to update it.',
  ),
  'mark.edited': trans.__('edited since it was answered'),
  'mark.edited.why': trans.__(
    'The text of the cell is not the one that was answered. Run the cell again to update the answer.',
  ),
  'mark.replayed': trans.__('replayed'),
  'mark.replayed.why': trans.__('Replayed from the saved record. Nothing was sent.'),
  'mark.pinned': trans.__('pinned'),
  'mark.pinned.why': trans.__('A summary of earlier turns never replaces this turn.'),
  'announce.asking': trans.__('a tool call needs your approval'),
  'announce.failed': trans.__('failed: {error}'),
  'time.seconds': trans.__('{seconds} s'),
  'time.minutes': trans.__('{minutes} min {seconds} s'),
  speed: trans.__('{rate} tokens/s'),
  'first-token': trans.__('first token after {time}'),
  'saved.answer': trans.__('Answer'),
  stop: trans.__('Stop'),
  'stop.label': trans.__('Stop this answer'),
  'stop.pressed': trans.__('stopping…'),
  'thinking.open': trans.__('Thinking…'),
  'thinking.closed': trans.__('Thought for {time}'),
  'thinking.closed.untimed': trans.__('Thinking'),
  'thinking.redacted': trans.__('Thinking redacted by the provider'),
  'tool.call': trans.__('Tool'),
  'tool.asking': trans.__('needs your approval'),
  'tool.decided': trans.__('decided'),
  'tool.running': trans.__('running…'),
  'tool.done': trans.__('done'),
  'tool.done.timed': trans.__('done in {time}'),
  'tool.failed': trans.__('✗ failed'),
  'tool.denied': trans.__('denied'),
  'tool.interrupted': trans.__('interrupted'),
  'ask.question': trans.__('The model wants to call this tool. Allow it?'),
  'ask.scroll': trans.__('Scroll to the end of the call to allow it.'),
  'ask.once': trans.__('Allow once'),
  'ask.deny': trans.__('Deny'),
  'ask.reason': trans.__('Reason (sent to the model)'),
  'tool.arguments': trans.__('Arguments'),
  'tool.result': trans.__('Result'),
  'tool.error': trans.__('Error'),
  'block.unknown': trans.__('Block of type {type}'),
  'usage.input': trans.__('{tokens} tokens in'),
  'usage.output': trans.__('{tokens} out'),
  'usage.cache-read': trans.__('{tokens} from cache'),
  'usage.cache-write': trans.__('{tokens} written to cache'),
  summary: trans.__('{count} turns summarized · {before} → {after} tokens'),
  'summary.one': trans.__('1 turn summarized · {before} → {after} tokens'),
  'usage.saved': trans.__('{cost} saved by the cache'),
  'usage.window': trans.__('{percent} of the window'),
  'stop-reason': trans.__('stop reason: {reason}'),
  thread: trans.__('thread {thread}'),
  effort: trans.__('effort {effort}'),
  'image.alt': trans.__('image of the prompt'),
  'image.result.alt': trans.__('image of the result'),
  'image.hidden': trans.__('image that cannot be shown here'),
  'code.label': trans.__('Code'),
  'code.copy': trans.__('Copy'),
  'code.copy.label': trans.__('Copy this code'),
  'code.copied': trans.__('Copied'),
  'code.copy-failed': trans.__('Copy failed'),
  'image.load': trans.__('Load image from {host}'),
  'image.blocked': trans.__('Image not shown: {alt}'),
  'task.done': trans.__('done'),
  'task.open': trans.__('not done'),
});

export type StringKey = keyof ReturnType<typeof texts>;

let source = ENGLISH;
let table = texts(source);

function slots(): Record<symbol, Translation | undefined> {
  return globalThis;
}

/** Set the translation for every renderer on this page, whether it is loaded already or later. */
export function shareTranslation(trans: Translation): void {
  slots()[KEY] = trans;
}

/** Return the translation of this page. */
export function sharedTranslation(): Translation {
  return slots()[KEY] ?? ENGLISH;
}

/** Return the text of `key` with its placeholders filled in. */
export function t(key: StringKey, values: Record<string, string | number> = {}): string {
  const shared = sharedTranslation();
  if (shared !== source) {
    source = shared;
    table = texts(shared);
  }
  return fill(table[key], values);
}

/** Replace each `{name}` in the text by its value. */
export function fill(text: string, values: Record<string, string | number>): string {
  return text.replace(/\{(\w+)\}/g, (whole, name: string) =>
    name in values ? String(values[name]) : whole,
  );
}

/** 3.2 -> "3.2 s", 75 -> "1 min 15 s". */
export function duration(seconds: number): string {
  const safe = Number.isFinite(seconds) ? Math.max(0, seconds) : 0;
  if (safe < 60) return t('time.seconds', { seconds: safe.toFixed(safe < 59.95 ? 1 : 0) });
  const whole = Math.round(safe);
  return t('time.minutes', { minutes: Math.floor(whole / 60), seconds: whole % 60 });
}

/** 3.2 -> "4 s": the whole seconds that a countdown shows. */
export function countdown(seconds: number): string {
  const whole = Math.max(0, Math.ceil(seconds));
  return whole < 60 ? t('time.seconds', { seconds: whole }) : duration(whole);
}
