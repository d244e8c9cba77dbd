// The cells that are queued or running, as the page describes them to the kernel.
import { NotebookActions } from '@jupyterlab/notebook';
import { beforeEach, describe, expect, it } from 'vitest';
import { kernelPlugin } from '../../src/lab/kernel-plugin';
import { RunningCells } from '../../src/lab/running-cells';
import { fakeApp, openNotebook, settled, type FakePanel } from './fake-jupyterlab';

const PROMPT = '%%minimax\nHi.';

async function open(...sources: string[]): Promise<FakePanel> {
  const panel = openNotebook(sources);
  const { app, tracker } = fakeApp(panel);
  await kernelPlugin.activate(app, tracker);
  await settled();
  return panel;
}

const running = (panel: FakePanel): string[] => [
  ...RunningCells.of(panel.asPanel.sessionContext).ids,
];

/** What the last description of the notebook calls queued or running. */
const described = (panel: FakePanel): unknown => panel.kernel.descriptions.at(-1)!['pending'];

const idle = (panel: FakePanel, request: string): void => {
  panel.publish(request, 'status', { execution_state: 'idle' });
};

beforeEach(() => {
  document.body.replaceChildren();
});

describe('a cell is running', () => {
  it('until the kernel has handled each of its requests', async () => {
    const panel = await open(PROMPT, PROMPT);
    const [first, second, other] = [await panel.run(0), await panel.run(0), await panel.run(1)];
    panel.publish(first, 'status', { execution_state: 'busy' });
    idle(panel, first);
    panel.finish(0);
    expect(running(panel)).toEqual(['cell-0', 'cell-1']);
    idle(panel, second);
    expect(running(panel)).toEqual(['cell-1']);
    idle(panel, 'of another page');
    idle(panel, other);
    expect(running(panel)).toEqual([]);
  });

  it('until it has been executed, if JupyterLab did not send its request', async () => {
    const panel = await open(PROMPT);
    idle(panel, await panel.run(0));
    panel.schedule(0);
    await settled();
    expect(running(panel)).toEqual(['cell-0']);
    panel.finish(0);
    expect(running(panel)).toEqual([]);
  });

  it('until the kernel is gone', async () => {
    const panel = await open(PROMPT);
    await panel.run(0);
    panel.statusChanged.emit('restarting');
    expect(running(panel)).toEqual([]);
    await panel.run(0);
    panel.kernelChanged.emit({});
    expect(running(panel)).toEqual([]);
  });

  it('also after it was moved, which JupyterLab does not announce the end of', async () => {
    const panel = await open(PROMPT, PROMPT, PROMPT);
    const request = await panel.run(0);
    panel.content.activeCellIndex = 0;
    NotebookActions.moveDown(panel.content);
    panel.schedule(2);
    expect(described(panel)).toEqual(['cell-0', 'cell-2']);
    idle(panel, request);
    panel.schedule(2);
    expect(described(panel)).toEqual(['cell-2']);
  });
});

describe('a cell that was deleted while it ran', () => {
  it('is not described as running, but it is again once it is restored', async () => {
    const panel = await open(PROMPT, PROMPT);
    const request = await panel.run(0);
    panel.content.activeCellIndex = 0;
    NotebookActions.deleteCells(panel.content);
    panel.schedule(0);
    expect(described(panel)).toEqual(['cell-1']);
    NotebookActions.undo(panel.content);
    panel.schedule(1);
    expect(described(panel)).toEqual(['cell-0', 'cell-1']);
    idle(panel, request);
    panel.finish(1);
    panel.schedule(1);
    expect(described(panel)).toEqual(['cell-1']);
  });
});
