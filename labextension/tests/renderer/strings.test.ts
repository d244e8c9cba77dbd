// A translation reaches each copy of the renderer on the page: in the extension and in the widget.
import { beforeEach, expect, test, vi } from 'vitest';

type Strings = typeof import('../../src/renderer/strings');

const SLOT = Symbol.for('mm_magics.translation/1');
const GERMAN: Readonly<Record<string, string>> = {
  Stop: 'Anhalten',
  'Stop this answer': 'Diese Antwort anhalten',
  'Thought for {time}': '{time} lang nachgedacht',
};
const german = { __: (english: string): string => GERMAN[english] ?? english };

/** Load another copy of the module, as in a separate bundle. */
function copy(): Promise<Strings> {
  vi.resetModules();
  return import('../../src/renderer/strings');
}

/** Return what the widget shows for a waiting turn. */
async function streamed(): Promise<HTMLElement> {
  const { openTurn } = await import('../../src/widget/turn-widget');
  const el = document.createElement('div');
  openTurn({ send: () => undefined, startedAt: 0 }).render(el);
  return el;
}

beforeEach(() => {
  Reflect.deleteProperty(globalThis, SLOT);
});

test('without a translation the texts are English', async () => {
  const { t } = await copy();
  expect(t('thinking.closed', { time: '3 s' })).toBe('Thought for 3 s');
  expect((await streamed()).querySelector('.mm-stop')?.textContent).toBe('Stop');
});

test('the translation reaches the renderer of the extension', async () => {
  const { shareTranslation, t } = await copy();
  shareTranslation(german);
  expect(t('thinking.closed', { time: '3 s' })).toBe('3 s lang nachgedacht');
  expect(t('thinking.open')).toBe('Thinking…');
});

test('the translation reaches a widget that is loaded later', async () => {
  (await copy()).shareTranslation(german);
  const widget = await copy();
  expect(widget.t('stop')).toBe('Anhalten');
  const stop = (await streamed()).querySelector('.mm-stop');
  expect(stop?.getAttribute('aria-label')).toBe('Diese Antwort anhalten');
});

test('the translation reaches a widget that was loaded and drawn before', async () => {
  const widget = await copy();
  expect(widget.t('stop')).toBe('Stop');
  (await copy()).shareTranslation(german);
  expect(widget.t('stop')).toBe('Anhalten');
});
