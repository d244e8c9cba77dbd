// What the kernel receives from a notebook, and what the page does with the answers of the kernel.
import type { ICodeCellModel } from '@jupyterlab/cells';
import { beforeEach, describe, expect, it } from 'vitest';
import { MIME_TYPE } from '../../src/protocol';
import { kernelPlugin, stopAnswer } from '../../src/lab/kernel-plugin';
import {
  fakeApp,
  openNotebook,
  settled,
  turnOutput,
  turnRecord,
  type CellContent,
  type FakePanel,
} from './fake-jupyterlab';

const PROMPT = '%%minimax\nHi.';
const DOCUMENT = 'mm_magics.document';

async function activate(panel: FakePanel): Promise<FakePanel> {
  const { app, tracker } = fakeApp(panel);
  await kernelPlugin.activate(app, tracker);
  await settled();
  return panel;
}

const changedIds = (description: Record<string, unknown> | undefined): string[] =>
  Object.keys(description!['changed'] as object);

beforeEach(() => {
  document.body.replaceChildren();
});

describe('before a cell runs', () => {
  it('the whole notebook is described to the kernel', async () => {
    const panel = await activate(
      openNotebook([{ source: '# Notes', type: 'markdown' }, PROMPT], {
        metadata: { minimax: { temperature: 0.4 } },
      }),
    );
    expect(panel.kernel.calls).toEqual([]);
    panel.schedule(1);
    expect(panel.kernel.calls.map(({ target, call }) => [target, call])).toEqual([
      [DOCUMENT, 'open'],
    ]);
    const [description] = panel.kernel.descriptions;
    expect(description).toEqual({
      name: 'page.ipynb',
      path: 'folder/page.ipynb',
      page: 'this page',
      sent_at: expect.any(Number) as number,
      order: ['cell-0', 'cell-1'],
      pending: ['cell-1'],
      changed: {
        'cell-0': { cell_type: 'markdown', source: '# Notes', outputs: [] },
        'cell-1': { cell_type: 'code', source: PROMPT, outputs: [] },
      },
      settings: { temperature: 0.4 },
      scheduled: ['cell-1'],
    });
    expect(Math.abs((description!['sent_at'] as number) - Date.now() / 1000)).toBeLessThan(10);
  });

  it('later descriptions contain only the cells that changed', async () => {
    const panel = await activate(openNotebook([PROMPT, 'x = 1']));
    panel.schedule(0);
    panel.schedule(1);
    panel.finish(0);
    panel.setSource(1, 'x = 2');
    panel.schedule(1);
    const { descriptions } = panel.kernel;
    expect(descriptions.map(changedIds)).toEqual([['cell-0', 'cell-1'], [], ['cell-1']]);
    expect(descriptions.map(({ pending }) => pending)).toEqual([
      ['cell-0'],
      ['cell-0', 'cell-1'],
      ['cell-1'],
    ]);
    expect(panel.kernel.comms).toHaveLength(1);
  });

  it('the kernel receives the text that the cells have now when a model reads them', async () => {
    const panel = await activate(openNotebook([PROMPT, 'x = 1', 'y = 1']));
    panel.schedule(0);
    panel.setSource(1, 'x = 2');
    // The kernel receives this description only when the cell that runs has ended.
    panel.schedule(1);
    panel.kernel.reply(DOCUMENT, { wants_cells: 'r1' });
    panel.kernel.reply(DOCUMENT, { wants_cells: 7 });
    expect(panel.kernel.requests).toEqual([
      {
        message: {
          type: 'cells',
          request: 'r1',
          order: ['cell-0', 'cell-1', 'cell-2'],
          pending: ['cell-0', 'cell-1'],
          cells: {
            'cell-0': { cell_type: 'code', source: PROMPT },
            'cell-1': { cell_type: 'code', source: 'x = 2' },
            'cell-2': { cell_type: 'code', source: 'y = 1' },
          },
        },
      },
    ]);
  });

  it('a notebook that does not mention MiniMax is not described', async () => {
    const panel = await activate(openNotebook(['x = 1']));
    panel.schedule(0);
    expect(panel.kernel.calls).toEqual([]);
  });

  it('a kernel without comms is left alone', async () => {
    const panel = await activate(openNotebook([PROMPT]));
    panel.kernel.handleComms = false;
    panel.schedule(0);
    expect(panel.kernel.calls).toEqual([]);
  });

  it('a kernel whose comms fail does not keep the cell from running', async () => {
    const panel = await activate(openNotebook([PROMPT]));
    panel.kernel.createComm = () => {
      throw new Error('gone');
    };
    expect(() => {
      panel.schedule(0);
    }).not.toThrow();
  });

  it('a notebook that is opened later is described as well', async () => {
    const { app, tracker, open } = fakeApp();
    await kernelPlugin.activate(app, tracker);
    const panel = openNotebook([PROMPT]);
    open(panel);
    await settled();
    panel.schedule(0);
    expect(panel.kernel.descriptions).toHaveLength(1);
  });
});

describe('the comms are opened again, with all cells,', () => {
  const opened = (panel: FakePanel): number =>
    panel.kernel.calls.filter(({ target, call }) => target === DOCUMENT && call === 'open').length;

  it('after the cell that loads mm_magics, if the kernel did not confirm them', async () => {
    const panel = await activate(openNotebook(['%load_ext mm_magics', PROMPT]));
    panel.schedule(0);
    panel.schedule(1);
    expect(opened(panel)).toBe(2);
    expect(changedIds(panel.kernel.descriptions[1])).toEqual(['cell-0', 'cell-1']);
  });

  it('right after it, so that the kernel sends the marks of the turns that it restored', async () => {
    const panel = await activate(openNotebook(['%load_ext mm_magics', PROMPT]));
    panel.schedule(0);
    panel.finish(1);
    expect(opened(panel)).toBe(1);
    panel.finish(0);
    expect(opened(panel)).toBe(2);
    panel.finish(0);
    panel.schedule(1);
    expect(opened(panel)).toBe(2);
  });

  it('but not if the kernel had confirmed them', async () => {
    const panel = await activate(openNotebook(['%load_ext mm_magics', PROMPT]));
    panel.schedule(1);
    await panel.kernel.confirm();
    panel.schedule(0);
    panel.schedule(1);
    expect(opened(panel)).toBe(1);
    expect(changedIds(panel.kernel.descriptions[2])).toEqual([]);
  });

  it('after the kernel closed them', async () => {
    const panel = await activate(openNotebook([PROMPT]));
    panel.schedule(0);
    for (const comm of panel.kernel.comms) comm.isDisposed = true;
    panel.schedule(0);
    expect(opened(panel)).toBe(2);
    expect(changedIds(panel.kernel.descriptions[1])).toEqual(['cell-0']);
  });

  it.each(['restarting', 'autorestarting', 'dead'])('after the kernel was %s', async (status) => {
    const panel = await activate(openNotebook([PROMPT, PROMPT]));
    panel.schedule(0);
    panel.statusChanged.emit(status);
    panel.schedule(1);
    expect(opened(panel)).toBe(2);
    expect(panel.kernel.descriptions[1]!['pending']).toEqual(['cell-1']);
  });

  it('after another page restarted the kernel', async () => {
    const panel = await activate(openNotebook([PROMPT]));
    const receive = (session: string): void => {
      panel.iopubMessage.emit({ header: { session }, parent_header: {}, content: {} });
    };
    receive('first kernel');
    panel.schedule(0);
    receive('first kernel');
    panel.schedule(0);
    expect(opened(panel)).toBe(1);
    receive('second kernel');
    panel.schedule(0);
    receive('second kernel');
    panel.schedule(0);
    expect(opened(panel)).toBe(2);
  });

  it('after another kernel was chosen', async () => {
    const panel = await activate(openNotebook([PROMPT]));
    panel.schedule(0);
    panel.kernelChanged.emit({});
    panel.schedule(0);
    expect(opened(panel)).toBe(2);
  });
});

describe('a page that was just opened', () => {
  it('asks for the answers since its file was saved', async () => {
    const panel = await activate(
      openNotebook([PROMPT], { lastModified: '2026-11-27T12:00:00.500Z' }),
    );
    expect(panel.kernel.descriptions).toMatchObject([
      { since: Date.UTC(2026, 10, 27, 12) / 1000 + 0.5, pending: [] },
    ]);
    panel.schedule(0);
    expect(panel.kernel.descriptions[1]).not.toHaveProperty('since');
  });

  it('shows them, and ignores malformed ones', async () => {
    const panel = await activate(openNotebook([PROMPT, 'x', { source: '#', type: 'markdown' }]));
    panel.schedule(0);
    const output = { data: { 'text/plain': 'missed' }, metadata: {} };
    panel.kernel.reply(DOCUMENT, {
      outputs: { 'cell-0': output, 'cell-1': { data: {} }, 'cell-2': output, gone: output },
    });
    panel.kernel.reply(DOCUMENT, { outputs: [output], marks: 7 });
    panel.kernel.reply(DOCUMENT, {});
    const [first, second] = panel.content.widgets.map(({ model }) => model as ICodeCellModel);
    expect(first!.outputs.toJSON()).toEqual([
      { output_type: 'display_data', data: { 'text/plain': 'missed' }, metadata: {} },
    ]);
    expect(second!.outputs.length).toBe(0);
  });

  it('shows all answers of a cell that runs several prompts', async () => {
    const panel = await activate(openNotebook([PROMPT]));
    panel.schedule(0);
    const output = (text: string) => ({ data: { 'text/plain': text }, metadata: {} });
    const more = [output('two'), 7, { data: {} }, output('three')];
    panel.kernel.reply(DOCUMENT, { outputs: { 'cell-0': { ...output('one'), more } } });
    const { outputs } = panel.content.widgets[0]!.model as ICodeCellModel;
    expect(outputs.toJSON().map(({ data }) => data)).toEqual([
      { 'text/plain': 'one' },
      { 'text/plain': 'two' },
      { 'text/plain': 'three' },
    ]);
  });

  it('does not count as changed if the page shows the answers already', async () => {
    const panel = await activate(openNotebook([PROMPT, PROMPT]));
    panel.schedule(0);
    const output = (text: string) => ({ data: { 'text/plain': text }, metadata: {} });
    const outputs = {
      'cell-0': { ...output('one'), more: [output('two')] },
      'cell-1': output('three'),
    };
    panel.kernel.reply(DOCUMENT, { outputs });
    expect(panel.content.model!.dirty).toBe(true);
    panel.content.model!.dirty = false;
    panel.kernel.reply(DOCUMENT, { outputs });
    expect(panel.content.model!.dirty).toBe(false);
  });
});

describe('without running a cell, the notebook is described again', () => {
  const wait = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 350));
  const answered = (id: string): object => ({
    source: PROMPT,
    outputs: [turnOutput(turnRecord('Hello', { id }))],
  });
  const described = async (): Promise<FakePanel> => {
    const panel = await activate(
      openNotebook([answered('one'), answered('two'), PROMPT] as CellContent[]),
    );
    panel.schedule(2);
    panel.finish(2);
    await wait();
    expect(panel.kernel.descriptions).toHaveLength(1);
    return panel;
  };

  it.each<[string, (panel: FakePanel) => void]>([
    [
      'a cell is deleted',
      ({ content }) => {
        content.model!.sharedModel.deleteCell(0);
      },
    ],
    [
      'a cell is moved',
      ({ content }) => {
        content.model!.sharedModel.moveCell(0, 1);
      },
    ],
    [
      'a cell is added',
      ({ content }) => void content.model!.sharedModel.addCell({ cell_type: 'raw' }),
    ],
    [
      'an answer is cleared',
      ({ content }) => {
        (content.widgets[1]!.model as ICodeCellModel).outputs.clear();
      },
    ],
  ])('once %s', async (_name, change) => {
    const panel = await described();
    change(panel);
    await wait();
    const [, description, ...more] = panel.kernel.descriptions;
    expect(more).toEqual([]);
    expect(description).not.toHaveProperty('scheduled');
    await wait();
    expect(panel.kernel.descriptions).toHaveLength(2);
  });

  it('but not for typing, another output, or the answer of a cell that ran', async () => {
    const panel = await described();
    panel.setSource(0, '%%minimax\nEdited.');
    panel.schedule(2);
    panel.show(2, { 'text/plain': 'text' });
    panel.show(2, { [MIME_TYPE]: turnRecord('New', { id: 'three' }) });
    panel.finish(2);
    await wait();
    expect(panel.kernel.descriptions).toHaveLength(2);
    panel.show(2, { 'text/plain': 'text' });
    await wait();
    expect(panel.kernel.descriptions).toHaveLength(3);
  });

  it('but not to a kernel that has not seen it yet', async () => {
    const panel = await activate(openNotebook([answered('one'), PROMPT] as CellContent[]));
    panel.content.model!.sharedModel.deleteCell(0);
    await wait();
    expect(panel.kernel.calls).toEqual([]);
  });

  it('and while cells are queued, their new order is sent at once', async () => {
    const panel = await described();
    panel.schedule(0);
    panel.schedule(2);
    panel.content.model!.sharedModel.deleteCell(0);
    await settled();
    const [{ message }] = panel.kernel.requests as [{ message: Record<string, unknown> }];
    const { sent_at: sentAt, page, ...rest } = message;
    expect(rest).toEqual({ type: 'order', order: ['cell-1', 'cell-2'] });
    const last = panel.kernel.descriptions.at(-1)!;
    expect(page).toBe(last['page']);
    expect(sentAt).toBeGreaterThanOrEqual(last['sent_at'] as number);
  });
});

describe('Stop', () => {
  it('sends one request, and interrupts the kernel the second time', async () => {
    const panel = await activate(openNotebook([PROMPT]));
    panel.kernel.answer = () => ({ received: true });
    panel.schedule(0);
    await stopAnswer(panel.asPanel);
    expect(panel.kernel.requests).toEqual([{ message: { type: 'stop' } }]);
    expect(panel.kernel.interrupts).toBe(0);
    await stopAnswer(panel.asPanel);
    expect(panel.kernel.interrupts).toBe(1);
    panel.finish(0);
    panel.schedule(0);
    await stopAnswer(panel.asPanel);
    expect(panel.kernel.requests).toHaveLength(2);
    expect(panel.kernel.interrupts).toBe(1);
  });

  it.each([null, undefined, { received: false }, 'yes'])(
    'interrupts a kernel that replies %j',
    async (reply) => {
      const panel = await activate(openNotebook([PROMPT]));
      panel.kernel.answer = () => reply as object;
      panel.schedule(0);
      await stopAnswer(panel.asPanel);
      expect(panel.kernel.interrupts).toBe(1);
    },
  );

  it('interrupts the kernel of a notebook that was never described', async () => {
    const panel = openNotebook(['x = 1']);
    await stopAnswer(panel.asPanel);
    expect(panel.kernel.interrupts).toBe(1);
    panel.sessionContext.session.kernel = null;
    await stopAnswer((await activate(panel)).asPanel);
    expect(panel.kernel.interrupts).toBe(1);
  });
});
