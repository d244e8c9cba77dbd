// A notebook whose kernel runs a turn: the live output, a page that was reloaded, and a kernel that is gone.
import { questionWith } from '../question';
import { WAIT_MS } from '../../src/renderer/views/approval-view';
import type { ICodeCellModel } from '@jupyterlab/cells';
import type { RenderMimeRegistry } from '@jupyterlab/rendermime';
import { beforeEach, describe, expect, it, vi } from 'vitest';
import { kernelPlugin } from '../../src/lab/kernel-plugin';
import { rendererPlugin } from '../../src/lab/mime-renderer';
import { MIME_TYPE } from '../../src/protocol';
import { fakeApp, newRendermime, openNotebook, settled, type FakePanel } from './fake-jupyterlab';
import { FakeTurn } from './fake-turn';

const PROMPT = '%%minimax\nHi.';
const WIDGET = 'application/vnd.jupyter.widget-view+json';
const INPUT = '{\n  "path": "a"\n}';

let rendermime: RenderMimeRegistry;

async function open(): Promise<FakePanel> {
  const panel = openNotebook([PROMPT, PROMPT], { rendermime });
  const { app, tracker } = fakeApp(panel);
  await kernelPlugin.activate(app, tracker);
  await settled();
  return panel;
}

/** The turn in a page that started it. */
async function started(): Promise<{ turn: FakeTurn; panel: FakePanel }> {
  const panel = await open();
  const turn = new FakeTurn(panel);
  turn.start();
  panel.show(0, { [WIDGET]: { model_id: 'w' }, [MIME_TYPE]: turn.record(), 'text/plain': 'Busy' });
  await settled();
  return { turn, panel };
}

const text = (selector: string): string | undefined =>
  document.querySelector(selector)?.textContent.trim();

const dataOf = (panel: FakePanel, index = 0): Record<string, unknown> =>
  panel.outputs(index)[0]!.data;

const savedRecord = (panel: FakePanel): Record<string, unknown> =>
  dataOf(panel)[MIME_TYPE] as Record<string, unknown>;

const isDirty = (panel: FakePanel): boolean => panel.content.model!.dirty;

beforeEach(async () => {
  document.body.replaceChildren();
  rendermime = newRendermime();
  await rendererPlugin.activate(fakeApp().app, rendermime, null);
});

describe('a turn that was started on this page', () => {
  it('is drawn by the extension, not by the widget, as it streams', async () => {
    const { turn } = await started();
    expect(rendermime.preferredMimeType({ [MIME_TYPE]: {}, [WIDGET]: {} })).toBe(MIME_TYPE);
    expect(text('.mm-text')).toBe('one');
    expect(text('.mm-status')).toBe('answering');
    turn.send(['add', 1, 'two']);
    await settled();
    expect(text('.mm-text')).toBe('one two');
  });

  // JupyterLab does not update the output of a cell that was moved; it is corrected a moment later.
  it.each(['before', 'after'])('keeps its nodes if its output comes %s its end', async (order) => {
    const { turn, panel } = await started();
    document.querySelector<HTMLElement>('.mm-thinking summary')!.click();
    const thinking = document.querySelector<HTMLDetailsElement>('.mm-thinking')!;
    thinking.open = true;
    const turnNode = document.querySelector('.mm-turn');
    turn.send(['close', 1, { block: { type: 'text' } }], ['state', { status: 'complete' }]);
    const answer = [
      { type: 'thinking', thinking: 'Hm.', signature: 's' },
      { type: 'text', text: '**one** ' },
    ];
    const messages = [
      { role: 'user', content: 'Hi.' },
      { role: 'assistant', content: answer },
    ];
    const { outputs } = panel.content.widgets[0]!.model as ICodeCellModel;
    const data = { [MIME_TYPE]: { ...turn.record(), status: 'complete', messages } };
    const steps = [
      (): void => {
        outputs.set(0, { output_type: 'display_data', data, metadata: {} });
      },
      (): void => {
        turn.publish('status', { execution_state: 'idle' });
      },
    ];
    for (const step of order === 'before' ? steps : steps.reverse()) {
      step();
      await settled();
      expect(text('.mm-text')).toBe('one');
    }
    expect(text('.mm-status')).toBe('done');
    expect(document.querySelectorAll('.mm-turn')).toHaveLength(1);
    expect(document.querySelector('.mm-turn')).toBe(turnNode);
    expect(document.querySelector('.mm-thinking')).toBe(thinking);
    expect(thinking.open).toBe(true);
  });

  it('is stopped by a request, or an interrupt if the kernel does not receive it', async () => {
    const { turn, panel } = await started();
    document.querySelector<HTMLElement>('.mm-stop')!.click();
    await settled();
    expect(panel.kernel.requests).toEqual([{ turn: turn.id, message: { type: 'stop' } }]);
    expect(text('.mm-stop')).toBe('stopping…');
    expect(panel.kernel.interrupts).toBe(0);
  });

  it('is in the file as far as it was received if the notebook is saved', async () => {
    const { turn, panel } = await started();
    panel.saveState.emit('started');
    expect(Object.keys(dataOf(panel)).sort()).toEqual([
      MIME_TYPE,
      'text/html',
      'text/markdown',
      'text/plain',
    ]);
    turn.send(['add', 1, 'two']);
    await settled();
    expect(text('.mm-text')).toBe('one two');
    expect(document.querySelector('.mm-stop')).not.toBeNull();
  });
});

describe('a kernel that is gone', () => {
  it.each(['restarting', 'autorestarting', 'dead'])(
    '(%s) leaves a stopped turn',
    async (status) => {
      const { turn, panel } = await started();
      panel.statusChanged.emit(status);
      await settled();
      expect(text('.mm-status')).toBe('stopped: the kernel is gone');
      expect(document.querySelector('.mm-stop')).toBeNull();
      const { notes, ...record } = savedRecord(panel);
      expect(record).toEqual({
        ...turn.record(),
        messages: [
          ...(turn.record()['messages'] as object[]),
          {
            role: 'assistant',
            content: [
              { type: 'thinking', thinking: 'Hm.', signature: 's' },
              { type: 'text', text: '**one** ' },
            ],
          },
        ],
        responses: [{ id: 'm', model: 'M', usage: {}, seconds: 3, unfinished: 1 }],
      });
      expect(notes).toHaveLength(1);
      expect(dataOf(panel)['text/html']).toContain('<strong>one</strong>');
      expect(dataOf(panel)['text/plain']).toMatch(/^\*\*one\*\* \nThe kernel was gone/);
      expect(dataOf(panel)['text/markdown']).toMatch(/^\*\*one\*\* \n\n```\nThe kernel was gone/);
      expect(isDirty(panel)).toBe(true);
    },
  );

  it('leaves one too if another kernel was chosen, or the session was shut down', async () => {
    const { panel } = await started();
    panel.kernelChanged.emit({});
    expect(savedRecord(panel)['status']).toBe('stopped');
    expect(WIDGET in dataOf(panel)).toBe(false);
  });

  it('can still send something', async () => {
    const { turn, panel } = await started();
    panel.statusChanged.emit('restarting');
    turn.send(['add', 1, 'two']);
    await settled();
    expect(JSON.stringify(savedRecord(panel)['messages'])).toContain('**one** two');
    expect(text('.mm-status')).toBe('stopped: the kernel is gone');
  });

  it('looks like one whose connection is lost, so the turn continues when it is back', async () => {
    const { turn, panel } = await started();
    const { answer } = panel.kernel;
    panel.kernel.answer = () => undefined;
    panel.kernel.connectionStatus = 'connecting';
    panel.connectionStatusChanged.emit('connecting');
    await vi.waitFor(() => {
      expect(text('.mm-status')).toBe('stopped: the kernel is gone');
    }, 30_000);
    expect(WIDGET in dataOf(panel)).toBe(false);
    Object.assign(panel.kernel, { answer, connectionStatus: 'connected' });
    turn.miss(['add', 1, 'two ']);
    turn.send(['add', 1, 'three']);
    await vi.waitFor(() => {
      turn.send(); // a sign of life: what was missed is requested once a second
      expect(text('.mm-text')).toBe('one two three');
    }, 30_000);
    expect(text('.mm-status')).toBe('answering');
  });

  it('leaves what was received of a turn that has ended and was not displayed', async () => {
    const { turn, panel } = await started();
    turn.send(['state', { status: 'complete' }]);
    panel.statusChanged.emit('dead');
    expect(dataOf(panel)[WIDGET]).toBeUndefined();
    expect(JSON.stringify(dataOf(panel)[MIME_TYPE])).toContain('one ');
  });
});

describe('a page that did not start the turn', () => {
  const question = [
    ['open', 0, { type: 'tool_use', id: 'call', name: 'wipe' }],
    ['add', 0, '{"path": "a"}'],
    ['close', 0, { block: { type: 'tool_use', id: 'call', name: 'wipe', input: { path: 'a' } } }],
    ['tool', 0, { state: 'asking', question: questionWith(INPUT) }],
  ];

  it('requests what it missed, shows it, and does not count as changed', async () => {
    const panel = await open();
    panel.content.model!.dirty = false;
    const turn = new FakeTurn(panel, 'another page');
    turn.miss(['record', turn.record()], ['open', 0, { type: 'text' }], ['add', 0, 'one ']);
    turn.send();
    turn.send(['add', 0, 'two ']);
    await settled();
    turn.send(['add', 0, 'three']);
    await settled();
    expect(panel.kernel.requests).toEqual([{ turn: turn.id, message: { type: 'state' } }]);
    expect(text('.mm-text')).toBe('one two three');
    expect(document.querySelector('.mm-stop')).not.toBeNull();
    expect(isDirty(panel)).toBe(false);
    const final = { ...turn.record(), status: 'complete' };
    turn.send(['state', { status: 'complete' }]);
    turn.publish('update_display_data', { data: { [MIME_TYPE]: final }, metadata: {} });
    expect(savedRecord(panel)).toEqual(final);
    expect(isDirty(panel)).toBe(false);
  });

  it('shows an open question, whose answer decides exactly what it displays', async () => {
    const panel = await open();
    const turn = new FakeTurn(panel, 'another page');
    turn.miss(['record', turn.record()], ...question);
    turn.send();
    await settled(); // the reply with the state
    await settled(); // the frame that draws it
    expect(text('.mm-question')).toContain('Allow it?');
    expect(text('.mm-ask .mm-box')).toBe(INPUT);
    expect(panel.kernel.requests.at(-1)).toEqual({ turn: turn.id, message: { type: 'here' } });
    await new Promise((resolve) => setTimeout(resolve, WAIT_MS + 50));
    document.querySelector<HTMLElement>('.mm-choices button')!.click();
    await settled();
    expect(panel.kernel.requests.at(-1)).toEqual({
      turn: turn.id,
      message: {
        type: 'decide',
        question: 'q1',
        sha256: 'h1',
        allowed: true,
        always: false,
        reason: '',
      },
    });
  });

  it('can decide again if the kernel did not receive the decision', async () => {
    const panel = await open();
    const turn = new FakeTurn(panel, 'another page');
    turn.miss(['record', turn.record()], ...question);
    turn.send();
    await settled(); // the reply with the state
    await settled(); // the frame that draws it
    panel.kernel.answer = () => null;
    await new Promise((resolve) => setTimeout(resolve, WAIT_MS + 50));
    document.querySelector<HTMLElement>('.mm-choices button')!.click();
    await settled();
    await new Promise((resolve) => setTimeout(resolve, WAIT_MS + 50));
    expect(document.querySelector<HTMLButtonElement>('.mm-choices button')!.disabled).toBe(false);
  });

  it('shows nothing if it does not have the cell', async () => {
    const panel = await open();
    panel.content.model!.sharedModel.deleteCell(0);
    const turn = new FakeTurn(panel, 'another page');
    turn.start();
    await settled();
    expect(document.querySelector('.mm-turn')).toBeNull();
  });
});

it('malformed messages change nothing', async () => {
  const panel = await open();
  const valid = {
    turn: 't',
    cell: 'cell-0',
    displayed: true,
    seconds: 1,
    start: 0,
    end: 1,
    ops: [],
  };
  const contents = [null, 5, {}, { ops: [] }, { ...valid, turn: 5 }, { ...valid, start: -1 }];
  for (const content of [...contents, { ...valid, ops: 'x' }, { ...valid, cell: 7 }])
    for (const data of [{}, content, { method: 'custom', content }])
      panel.publish('request', 'comm_msg', { comm_id: 'c', data: data ?? {} }, 'another page');
  await settled();
  expect(document.querySelector('.mm-turn')).toBeNull();
  expect(panel.kernel.requests).toEqual([]);
});
