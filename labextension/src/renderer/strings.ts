// Every text that the view shows, in one place; a host may plug in a translator.
// Placeholders are `{name}`; a translator receives the English text and returns its own.

const ENGLISH = {
  'turn.label': 'MiniMax answer',
  'status.waiting': 'waiting',
  'status.thinking': 'thinking',
  'status.answering': 'answering',
  'status.complete': 'done',
  'status.stopped': 'stopped',
  'status.truncated': 'cut off by max_tokens',
  'status.refused': 'refused by the model',
  'status.failed': 'failed',
  'announce.failed': 'failed: {error}',
  'time.seconds': '{seconds} s',
  'time.minutes': '{minutes} min {seconds} s',
  speed: '{rate} tokens/s',
  'first-token': 'first token after {time}',
  stop: 'Stop',
  'stop.label': 'Stop this answer',
  'stop.pressed': 'stopping…',
  'thinking.open': 'Thinking…',
  'thinking.closed': 'Thought for {time}',
  'thinking.closed.untimed': 'Thought',
  'thinking.redacted': 'Thinking hidden by the provider',
  'tool.call': 'Tool',
  'tool.running': 'running…',
  'tool.done': 'done',
  'tool.done.timed': 'done in {time}',
  'tool.failed': 'failed',
  'tool.arguments': 'Arguments',
  'tool.result': 'Result',
  'tool.error': 'Error',
  'block.unknown': 'Block of type {type}',
  'usage.input': '{tokens} tokens in',
  'usage.output': '{tokens} out',
  'usage.cache-read': '{tokens} from cache',
  'usage.cache-write': '{tokens} written to cache',
  'stop-reason': 'stop reason: {reason}',
  thread: 'thread {thread}',
  'code.label': 'Code',
  'code.copy': 'Copy',
  'code.copy.label': 'Copy this code',
  'code.copied': 'Copied',
  'code.copy-failed': 'Copy failed',
  'code.insert': 'Insert below',
  'code.insert.label': 'Insert this code in a new cell below',
  'code.inserted': 'Inserted',
  'image.load': 'Load image from {host}',
  'image.blocked': 'Image not shown: {alt}',
  'task.done': 'done',
  'task.open': 'not done',
} as const;

export type StringKey = keyof typeof ENGLISH;
export type Translator = (english: string) => string;

let translate: Translator = (english) => english;

/** Let a host (JupyterLab's translator, say) supply the texts. */
export function setTranslator(translator: Translator): void {
  translate = translator;
}

/** The text of `key` with its placeholders filled in. */
export function t(key: StringKey, values: Record<string, string | number> = {}): string {
  return translate(ENGLISH[key]).replace(/\{(\w+)\}/g, (whole, name: string) =>
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
