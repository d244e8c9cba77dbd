// What the menu of an answer does without a kernel: copy, download, and versions.
import { beforeEach, describe, expect, it, vi } from 'vitest';
import { commandsPlugin } from '../../src/lab/commands';
import { kernelPlugin } from '../../src/lab/kernel-plugin';
import { rendererPlugin } from '../../src/lab/mime-renderer';
import { MENU } from '../../src/lab/turn-menu';
import {
  fakeApp,
  newRendermime,
  openNotebook,
  settled,
  turnOutput,
  turnRecord,
  type FakePanel,
} from './fake-jupyterlab';

const MARKDOWN = '# Two\n\n- **one** [link](https://example.org)\n- two\n\n```python\nx = 1\n```';
const PLAIN = 'Two\n\n- one link\n- two\n\nx = 1';

const asked = (prompt: string, text: string, fields: object = {}): Record<string, unknown> => {
  const user = { role: 'user', content: [{ type: 'text', text: prompt }] };
  const answer = turnRecord(text)['messages'] as object[];
  return turnRecord(text, { ...fields, messages: [user, ...answer] });
};

let writeText: ReturnType<typeof vi.fn>;
let panel: FakePanel;
let commands: ReturnType<typeof fakeApp>['commands'];

async function open(...records: Record<string, unknown>[]): Promise<void> {
  document.body.replaceChildren();
  const rendermime = newRendermime();
  await rendererPlugin.activate(fakeApp().app, rendermime, null);
  const outputs = records.map((record) => turnOutput(record));
  panel = openNotebook([{ source: '%%minimax\nHi.', outputs }, 'x = 1'], { rendermime });
  panel.content.scrollToCell = () => Promise.resolve();
  const started = fakeApp(panel);
  ({ commands } = started);
  await kernelPlugin.activate(started.app, started.tracker);
  await commandsPlugin.activate(started.app, started.tracker, null, null);
  await settled();
}

const textOf = (blob: Blob): Promise<string> =>
  new Promise((resolve) => {
    const reader = new FileReader();
    reader.onload = () => {
      resolve(reader.result as string);
    };
    reader.readAsText(blob);
  });
const execute = (name: string, turn?: string): Promise<unknown> =>
  commands.execute(`mm-magics:${name}`, turn === undefined ? {} : { turn });
const button = (label: string): HTMLButtonElement =>
  document.querySelector<HTMLButtonElement>(`.mm-header button[aria-label="${label}"]`)!;
const shown = (): string => document.querySelector('.mm-body')!.textContent.trim();

beforeEach(() => {
  writeText = vi.fn(() => Promise.resolve());
  Object.defineProperty(navigator, 'clipboard', { value: { writeText }, configurable: true });
});

describe('Copy', () => {
  it('copies the answer as Markdown or as plain text, without thinking, names of buttons or numbers', async () => {
    await open(
      turnRecord(MARKDOWN, { responses: [{ usage: { output_tokens: 7 }, seconds: 2.8 }] }),
    );
    await execute('copy-answer');
    await execute('copy-answer-text');
    expect(writeText.mock.calls).toEqual([[MARKDOWN], [PLAIN]]);
  });

  it('copies all texts of a turn, and the JSON of a structured answer', async () => {
    const content = [
      { type: 'thinking', thinking: 'Hm.' },
      { type: 'text', text: 'One.' },
      { type: 'tool_use', id: 't', name: 'f', input: {} },
      { type: 'text', text: '<think>Hm.</think>Two.' },
    ];
    await open(turnRecord('', { messages: [{ role: 'assistant', content }] }));
    await execute('copy-answer');
    const final = [{ type: 'tool_use', id: 't', name: 'final_answer', input: { a: 1 } }];
    await open(turnRecord('', { messages: [{ role: 'assistant', content: final }] }));
    await execute('copy-answer');
    expect(writeText.mock.calls).toEqual([['One.\n\nTwo.'], ['{\n  "a": 1\n}']]);
  });

  it('copies characters that could disguise the text as they are shown', async () => {
    await open(turnRecord('a\u202eb\u001b[31m'));
    await execute('copy-answer');
    await execute('copy-answer-text');
    expect(writeText.mock.calls).toEqual([['a[U+202E]b␛[31m'], ['a[U+202E]b␛[31m']]);
  });

  it('of the button copies its own turn, and the button says so for a moment', async () => {
    await open(turnRecord('First.', { id: 'a' }), turnRecord('Second.', { id: 'b' }));
    panel.content.activeCellIndex = 1;
    const first = button('Copy the answer as Markdown');
    first.click();
    await settled();
    expect(writeText).toHaveBeenCalledExactlyOnceWith('First.');
    expect(first.classList.contains('mm-done')).toBe(true);
    expect(panel.content.activeCellIndex).toBe(0);
  });

  it('tells the user if the browser does not allow it', async () => {
    writeText.mockRejectedValue(new Error('denied'));
    await open(turnRecord('Text.'));
    expect(await execute('copy-answer')).toBe(false);
    expect(button('Copy the answer as Markdown').classList.contains('mm-done')).toBe(false);
  });

  it('copies by the command of the browser where it has no clipboard', async () => {
    Object.defineProperty(navigator, 'clipboard', { value: undefined, configurable: true });
    const copied: string[] = [];
    // eslint-disable-next-line @typescript-eslint/no-deprecated -- what is tested
    document.execCommand = () => {
      const setData = (_type: string, text: string): number => copied.push(text);
      const event = Object.assign(new Event('copy'), { clipboardData: { setData } });
      return window.dispatchEvent(event);
    };
    await open(turnRecord('Text.'));
    expect(await execute('copy-answer')).toBe(true);
    expect(copied).toEqual(['Text.']);
  });
});

describe('versions', () => {
  const versioned = (): Record<string, unknown> =>
    turnRecord('Second', { id: 'turn-2', versions: [turnRecord('First', { id: 'turn-1' })] });
  const enabled = (): boolean[] =>
    ['older-version', 'newer-version'].map((name) => commands.isEnabled(`mm-magics:${name}`));

  it('are shown by commands, which end at the first and the last one', async () => {
    await open(versioned());
    expect(enabled()).toEqual([true, false]);
    await execute('older-version');
    await settled();
    expect(shown()).toBe('First');
    expect(enabled()).toEqual([false, true]);
    await execute('newer-version');
    await settled();
    expect(shown()).toBe('Second');
    await open(turnRecord('Only'));
    expect(enabled()).toEqual([false, false]);
  });
});

it('Download saves the prompt as a quote and the answer, and loads nothing', async () => {
  const saved: Blob[] = [];
  const names: string[] = [];
  URL.createObjectURL = (blob) => `blob:${saved.push(blob as Blob)}`;
  URL.revokeObjectURL = () => undefined;
  vi.spyOn(HTMLAnchorElement.prototype, 'click').mockImplementation(function (
    this: HTMLAnchorElement,
  ) {
    names.push(this.download);
  });
  await open(asked('Why?\n\nSay it.', 'Because **so**.', { notes: ['A note.'] }));
  await execute('download-answer');
  await open(asked('Hi.', '![x](https://example.org/x.png)'));
  await execute('download-answer');
  const texts = await Promise.all(saved.map(textOf));
  expect(texts[0]).toBe('> Why?\n>\n> Say it.\n\nBecause **so**.\n\n```\nA note.\n```\n');
  expect(texts[1]).toContain('```\n![x]');
  expect(names).toEqual(['answer.md', 'answer.md']);
});

it('every item of the menu is a command, and is enabled where there is an answer', async () => {
  await open(turnRecord('```python\nx\n```', { versions: [turnRecord('Old')] }));
  const names = MENU.flat().map((name) => `mm-magics:${name}`);
  for (const name of names) expect(commands.hasCommand(name)).toBe(true);
  const disabled = names.filter((name) => !commands.isEnabled(name, { turn: 'turn-1' }));
  expect(disabled).toEqual(
    ['ask-stale-below', 'newer-version', 'edit-summary', 'collapse'].map(
      (name) => `mm-magics:${name}`,
    ),
  );
});
