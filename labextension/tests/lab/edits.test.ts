// Whether a cell was edited since it was answered, by the same table as the kernel's tests, and its mark on the page.
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { expect, describe, it } from 'vitest';
import { isEdited } from '../../src/lab/edits';
import { kernelPlugin } from '../../src/lab/kernel-plugin';
import { rendererPlugin } from '../../src/lab/mime-renderer';
import { seeded } from '../seeded';
import {
  fakeApp,
  newRendermime,
  openNotebook,
  settled,
  turnOutput,
  turnRecord,
} from './fake-jupyterlab';

interface Edit {
  readonly answered: string;
  readonly sha256: string;
  readonly now: string;
  readonly edited: boolean;
  /** The thread of the turn; `main` if it is missing. */
  readonly thread?: string;
}

const sha256 = (text: string): string =>
  createHash('sha256').update(text.replace(/\n+$/, ''), 'utf8').digest('hex');

const edits = JSON.parse(readFileSync('../tests/history/edits.json', 'utf8')) as Edit[];

describe('an edit', () => {
  it.each(edits)('of $answered to $now is noticed: $edited', (edit) => {
    const record = { source_sha256: edit.sha256, thread: edit.thread ?? 'main' };
    expect(isEdited(edit.now, record)).toBe(edit.edited);
    expect(isEdited(edit.answered, record)).toBe(false);
  });

  it.each([
    ['%%minimax\nhi', false],
    ['%%minimax\n  hi\n\n', false],
    ['%%time\n%%minimax --sees above\nhi', false],
    ['%%minimax --thread main\nhi', false],
    ['%%minimax --thread side\nhi', true],
    ['%minimax explain', false],
    ['%%minimax\n{{ greeting }}', false],
    ["get_ipython().run_cell_magic('minimax', '', 'hi')", false],
    ['%%minimax\nho', true],
    ['hi', true],
    ['', true],
  ])('without a hash to %j is noticed: %j', (source, edited) => {
    const content = [
      { type: 'text', text: 'cells' },
      { type: 'text', text: 'hi' },
    ];
    for (const given of ['hi', content])
      expect(
        isEdited(source, { thread: 'main', messages: [{ role: 'user', content: given }] }),
      ).toBe(edited);
  });

  it('of a prompt that is in no record cannot be noticed', () => {
    for (const messages of [
      undefined,
      7,
      [],
      [7],
      [{ content: 'ho' }],
      [{ role: 'user', content: [7] }],
    ])
      expect(isEdited('%%minimax\nhi', { messages })).toBe(false);
  });
});

it('the hash is that of every other implementation', () => {
  const random = seeded(1);
  for (let length = 0; length < 300; length++) {
    const text = Array.from({ length }, () => 'aé\n😀\0'[Math.floor(random() * 6)]).join('');
    expect(isEdited(`%%minimax\n${text}`, { source_sha256: sha256(text) })).toBe(false);
  }
});

describe('the mark of an edited cell', () => {
  const marks = (): string =>
    [...document.querySelectorAll('.mm-mark')].map((mark) => mark.textContent).join();
  const EDITED = 'edited since it was answered';

  it('appears while the user types, beside those of the kernel, and disappears with the edit', async () => {
    const rendermime = newRendermime();
    await rendererPlugin.activate(fakeApp().app, rendermime, null);
    const record = turnRecord('Hello', { schema: 2, source_sha256: sha256('Who is Ada?') });
    const source = '%%minimax\nWho is Ada?';
    const panel = openNotebook([{ source, outputs: [turnOutput(record)] }], { rendermime });
    const { app, tracker } = fakeApp(panel);
    await kernelPlugin.activate(app, tracker);
    await settled();
    expect(marks()).toBe('');
    panel.setSource(0, '%%minimax\nWho is Bob?');
    await settled();
    expect(marks()).toBe(EDITED);
    panel.schedule(0);
    panel.kernel.reply('mm_magics.document', { marks: { 'cell-0': { 'turn-1': ['stale'] } } });
    await settled();
    expect(marks()).toBe(`stale,${EDITED}`);
    panel.setSource(0, source);
    await settled();
    expect(marks()).toBe('stale');
    panel.kernelChanged.emit({});
    panel.schedule(0);
    await settled();
    expect(marks()).toBe('');
  });
});
