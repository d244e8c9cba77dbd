// The menu of an answer shows its request, pins its turn, and changes the summary that it was answered with.
import { beforeEach, describe, expect, it, vi } from 'vitest';
import { commandsPlugin } from '../../src/lab/commands';
import { kernelPlugin } from '../../src/lab/kernel-plugin';
import { rendererPlugin } from '../../src/lab/mime-renderer';
import type { PageRequest } from '../../src/protocol';
import {
  fakeApp,
  newRendermime,
  openNotebook,
  settled,
  turnOutput,
  turnRecord,
  type FakePanel,
} from './fake-jupyterlab';

let panel: FakePanel;
let commands: ReturnType<typeof fakeApp>['commands'];
let requests: PageRequest[];

async function open(fields: object = {}): Promise<void> {
  document.body.replaceChildren();
  const rendermime = newRendermime();
  await rendererPlugin.activate(fakeApp().app, rendermime, null);
  const outputs = [turnOutput(turnRecord('Yes.', { id: 'turn-1', ...fields }))];
  panel = openNotebook([{ source: '%%minimax\nHi.', outputs }], { rendermime });
  panel.content.scrollToCell = () => Promise.resolve();
  const started = fakeApp(panel);
  ({ commands } = started);
  await kernelPlugin.activate(started.app, started.tracker);
  await commandsPlugin.activate(started.app, started.tracker, null, null);
  await settled();
}

/** Answer each request of the page. */
function answer(reply: object): void {
  requests = [];
  panel.kernel.answer = (request) => {
    requests.push(request as unknown as PageRequest);
    return reply;
  };
}

const dialog = (): HTMLElement => document.querySelector<HTMLElement>('.jp-Dialog')!;
const press = async (label: string): Promise<void> => {
  const all = [...dialog().querySelectorAll('button')];
  all.find(({ textContent }) => textContent === label)!.click();
  await settled();
};

const BODY = '{\n  "model": "M",\n  "text": "a\u202eb"\n}';

describe('Show the request', () => {
  let writeText: ReturnType<typeof vi.fn>;

  beforeEach(async () => {
    writeText = vi.fn(() => Promise.resolve());
    Object.defineProperty(navigator, 'clipboard', { value: { writeText }, configurable: true });
    await open();
  });

  it('shows the body, and copies exactly it', async () => {
    answer({ received: true, request: { text: BODY, note: 'As it was sent.' } });
    expect(commands.label('mm-magics:show-request')).toBe('Show the Request…');
    const done = commands.execute('mm-magics:show-request');
    await settled();
    expect(requests).toEqual([{ turn: 'turn-1', message: { type: 'request' } }]);
    expect(dialog().textContent).toContain('As it was sent.');
    const shown = dialog().querySelector('pre')!;
    expect(shown.textContent).toBe(BODY.replace('\u202e', '[U+202E]'));
    expect(shown.tabIndex).toBe(0);
    await press('Copy');
    await done;
    expect(writeText).toHaveBeenCalledExactlyOnceWith(BODY);
  });

  it.each([
    ['without a kernel that has mm_magics', {}],
    ['if the kernel does not know the answer', { received: false }],
    ['if the reply is something else', { received: true, request: { text: 1 } }],
  ])('explains itself %s', async (_case, reply) => {
    answer(reply);
    const done = commands.execute('mm-magics:show-request');
    await settled();
    expect(dialog().textContent).toContain('%load_ext mm_magics');
    expect(dialog().querySelector('pre')).toBeNull();
    await press('Close');
    await done;
  });
});

describe('Pin', () => {
  beforeEach(() => open());

  it('pins the turn, which its header then shows, and unpins it', async () => {
    const label = (): string => commands.label('mm-magics:pin', {});
    expect(label()).toMatch(/^Pin/);
    answer({ received: true });
    await commands.execute('mm-magics:pin');
    expect(requests).toContainEqual({ turn: 'turn-1', message: { type: 'pin', on: true } });
    await settled();
    panel.kernel.reply('mm_magics.document', { marks: { 'cell-0': { 'turn-1': ['pinned'] } } });
    await settled();
    expect(document.querySelector('.mm-header .mm-pinned')?.textContent).toBe('pinned');
    expect(label()).toMatch(/^Unpin/);
    await commands.execute('mm-magics:pin');
    expect(requests).toContainEqual({ turn: 'turn-1', message: { type: 'pin', on: false } });
  });

  it('is undone by the mark, which explains itself', async () => {
    answer({ received: true });
    await commands.execute('mm-magics:pin');
    await settled();
    panel.kernel.reply('mm_magics.document', { marks: { 'cell-0': { 'turn-1': ['pinned'] } } });
    await settled();
    document.querySelector<HTMLElement>('.mm-header .mm-pinned')!.click();
    await settled();
    expect(dialog().textContent).toContain('summary');
    await press('Unpin');
    expect(requests).toContainEqual({ turn: 'turn-1', message: { type: 'pin', on: false } });
  });

  it('explains itself without a kernel that knows the turn', async () => {
    answer({ received: false });
    const done = commands.execute('mm-magics:pin');
    await settled();
    expect(dialog().textContent).toContain('%load_ext mm_magics');
    await press('Close');
    await done;
  });
});

describe('The summary of earlier turns', () => {
  const summary = {
    text: 'They met.\nThey talked.',
    note: '12 turns summarized · 38,000 → 1,900 tokens',
  };
  const box = (): HTMLTextAreaElement => dialog().querySelector('textarea')!;
  const sent = (): unknown[] => requests.map(({ message }) => message);
  let done: Promise<unknown>;

  async function edit(reply: object): Promise<void> {
    await open({ compacted: { turns: ['turn-0'], summary: 'They met.' } });
    answer(reply);
    done = commands.execute('mm-magics:edit-summary');
    await settled();
  }

  it.each([
    ['Save', 'They met twice.', ['They met twice.']],
    ['Save', summary.text, []],
    ['Cancel', 'They met twice.', []],
    ['Send all turns', 'They met twice.', ['']],
  ])('is changed by %s', async (label, text, changes) => {
    await edit({ received: true, summary });
    expect(dialog().textContent).toContain(summary.note);
    expect(box().value).toBe(summary.text);
    expect(document.activeElement).toBe(box());
    box().value = text;
    await press(label);
    await done;
    const changed = changes.map((each) => ({ type: 'summary', text: each }));
    expect(sent()).toEqual([{ type: 'summary' }, ...changed]);
  });

  it.each([
    ['without a kernel that has mm_magics', {}, '%load_ext mm_magics'],
    [
      'if the reply is something else',
      { received: true, summary: { text: 1 } },
      '%load_ext mm_magics',
    ],
    [
      'if all turns are sent',
      { received: true, summary: { text: '', note: '' } },
      'sends all turns',
    ],
  ])('explains itself %s', async (_case, reply, expected) => {
    await edit(reply);
    expect(dialog().textContent).toContain(expected);
    expect(dialog().querySelector('textarea')).toBeNull();
    await press('Close');
    await done;
  });

  it('is offered for turns that have one', async () => {
    await open();
    expect(commands.isEnabled('mm-magics:edit-summary')).toBe(false);
    await open({ compacted: { turns: [], pinned: ['turn-0'] } });
    expect(commands.isEnabled('mm-magics:edit-summary')).toBe(false);
  });
});
