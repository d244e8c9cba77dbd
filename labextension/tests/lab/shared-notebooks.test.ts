// A notebook that several pages share, or whose cells the server executes.
import type { RenderMimeRegistry } from '@jupyterlab/rendermime';
import { beforeEach, describe, expect, it, vi } from 'vitest';
import { kernelPlugin } from '../../src/lab/kernel-plugin';
import { rendererPlugin } from '../../src/lab/mime-renderer';
import { MIME_TYPE } from '../../src/protocol';
import { fakeApp, newRendermime, openNotebook, settled, type FakePanel } from './fake-jupyterlab';
import { FakeTurn } from './fake-turn';

const PROMPT = '%%minimax\nHi.';
const WIDGET = 'application/vnd.jupyter.widget-view+json';

let rendermime: RenderMimeRegistry;

interface Awareness {
  readonly clientID: number;
  getStates: () => Map<number, Record<string, unknown>>;
  setLocalStateField: (field: string, value: unknown) => void;
  emit: (event: string, change: unknown[]) => void;
}

async function open(isShared = true): Promise<FakePanel> {
  const panel = openNotebook([PROMPT, PROMPT], { rendermime, isShared });
  const { app, tracker } = fakeApp(panel);
  await kernelPlugin.activate(app, tracker);
  await settled();
  return panel;
}

const awarenessOf = (panel: FakePanel): Awareness =>
  (panel.content.model!.sharedModel as unknown as { awareness: Awareness }).awareness;

/** Pages of the same document: the ids of their kernel connections, by client id. */
function addPages(panel: FakePanel, pages: Record<number, string>): void {
  const awareness = awarenessOf(panel);
  const own = awareness.getStates.bind(awareness);
  awareness.getStates = () =>
    new Map([
      ...own(),
      ...Object.entries(pages).map(([id, page]) => [Number(id), { mm_magics: page }] as const),
    ]);
}

const shown = (selector: string): string[] =>
  [...document.querySelectorAll(selector)].map((each) => each.textContent.trim());

beforeEach(async () => {
  document.body.replaceChildren();
  rendermime = newRendermime();
  await rendererPlugin.activate(fakeApp().app, rendermime, null);
});

describe('a cell that the server executes', () => {
  it('shows the turn without an output, and its output continues the view', async () => {
    const panel = await open();
    const turn = new FakeTurn(panel, 'the server', false);
    turn.start();
    await settled();
    expect(panel.outputs(0)).toEqual([]);
    expect(shown('.mm-text')).toEqual(['one']);
    const thinking = document.querySelector('details')!;
    thinking.open = true;
    const text = document.querySelector('.mm-text strong')!.firstChild!;
    getSelection()!.setBaseAndExtent(text, 0, text, 3);
    turn.send(['state', { status: 'complete' }]);
    await settled();
    expect(panel.outputs(0)).toEqual([]);
    panel.show(0, { [MIME_TYPE]: withThinking(turn), 'text/plain': 'one' });
    await settled();
    expect(shown('.mm-turn')).toHaveLength(1);
    expect(document.querySelector('.mm-undisplayed')).toBeNull();
    expect(document.querySelector('details')).toBe(thinking);
    expect(thinking.open).toBe(true);
    expect(String(getSelection())).toBe('one');
  });

  it('shows the next turn of the cell in the place of an earlier one', async () => {
    const panel = await open();
    new FakeTurn(panel, 'the server', false).start();
    await settled();
    new FakeTurn(panel, 'the server', false).start();
    await settled();
    expect(shown('.mm-turn')).toHaveLength(1);
  });

  it('is not saved while it runs, and is saved once if the kernel is gone', async () => {
    const panel = await open();
    const turn = new FakeTurn(panel, 'the server', false);
    turn.start();
    await settled();
    panel.saveState.emit('started');
    expect(panel.outputs(0)).toEqual([]);
    panel.statusChanged.emit('restarting');
    await settled();
    expect(panel.outputs(0)).toHaveLength(1);
    expect(shown('.mm-turn')).toHaveLength(1);
    expect(shown('.mm-status')).toEqual(['stopped: the kernel is gone']);
  });
});

describe('a shared notebook', () => {
  it('lets each page know which connection it has, and again when a page is opened', async () => {
    const panel = await open();
    const awareness = awarenessOf(panel);
    expect([...awareness.getStates().values()]).toMatchObject([{ mm_magics: 'this page' }]);
    const announce = vi.spyOn(awareness, 'setLocalStateField');
    awareness.emit('change', [{ added: [], updated: [5], removed: [] }]);
    expect(announce).not.toHaveBeenCalled();
    awareness.emit('change', [{ added: [5], updated: [], removed: [] }]);
    expect(announce).toHaveBeenCalledWith('mm_magics', 'this page');
  });

  it.each([
    ['the page that started the turn', 'this page', { 1: 'other' }, 1],
    ['another page, if the first one is there', 'other', { 1: 'other' }, 0],
    ['one of the other pages, if the first one is gone', 'gone', { [2 ** 40]: 'other' }, 1],
    ['not the others', 'gone', { 1: 'other' }, 0],
  ] as const)('is written by %s when the kernel is gone', async (_, session, pages, outputs) => {
    const panel = await open();
    addPages(panel, pages);
    new FakeTurn(panel, session).start();
    await settled();
    expect(panel.outputs(0)).toEqual([]);
    panel.statusChanged.emit('restarting');
    await settled();
    expect(panel.outputs(0)).toHaveLength(outputs);
  });

  it('shows the turn of another page from the shared output, and adds none', async () => {
    const panel = await open();
    addPages(panel, { 1: 'other' });
    const turn = new FakeTurn(panel, 'other');
    turn.start();
    await settled();
    const live = { [WIDGET]: { model_id: 'w' }, [MIME_TYPE]: turn.record() };
    panel.show(0, live);
    turn.publish('display_data', { data: live });
    turn.send(['add', 1, 'two']);
    await settled();
    expect(shown('.mm-text')).toEqual(['one two']);
    expect(shown('.mm-stop')).toHaveLength(1);
    expect(panel.outputs(0)).toHaveLength(1);
  });

  it('gets a final output that nobody has added', async () => {
    vi.useFakeTimers({ toFake: ['setTimeout'], shouldAdvanceTime: true });
    const panel = await open();
    const turn = new FakeTurn(panel, 'gone');
    turn.start();
    await settled();
    turn.publish('display_data', { data: { [MIME_TYPE]: turn.record('complete', 'one two') } });
    await settled();
    expect(panel.outputs(0)).toEqual([]);
    await vi.advanceTimersByTimeAsync(3_100);
    expect(panel.outputs(0)).toHaveLength(1);
    vi.useRealTimers();
  });
});

function withThinking(turn: FakeTurn): Record<string, unknown> {
  const record = turn.record('complete', '**one** ');
  const [, answer] = record['messages'] as { content: object[] }[];
  answer!.content.unshift({ type: 'thinking', thinking: 'Hm.', signature: 's' });
  return record;
}
