// A turn that streams into a cell which has ended: it runs in the background.
import type { RenderMimeRegistry } from '@jupyterlab/rendermime';
import { NotebookActions } from '@jupyterlab/notebook';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { kernelPlugin, stopAnswer } from '../../src/lab/kernel-plugin';
import { liveTurn } from '../../src/lab/live-turns';
import { rendererPlugin } from '../../src/lab/mime-renderer';
import { MIME_TYPE } from '../../src/protocol';
import { fakeApp, newRendermime, openNotebook, settled, type FakePanel } from './fake-jupyterlab';
import { FakeTurn } from './fake-turn';

const PROMPT = '%%minimax --background\nHi.';
const WIDGET = 'application/vnd.jupyter.widget-view+json';

let rendermime: RenderMimeRegistry;

/** Run cell 0, whose turn streams when the kernel is idle again. */
async function streaming(): Promise<{ panel: FakePanel; turn: FakeTurn; request: string }> {
  const panel = openNotebook([PROMPT, 'x = 1'], { rendermime });
  const { app, tracker } = fakeApp(panel);
  await kernelPlugin.activate(app, tracker);
  await settled();
  const turn = new FakeTurn(panel);
  const request = await panel.run(0);
  turn.start();
  const data = { [WIDGET]: { model_id: 'w' }, [MIME_TYPE]: turn.record() };
  panel.publish(request, 'display_data', { data });
  panel.show(0, data);
  panel.publish(request, 'status', { execution_state: 'idle' });
  panel.finish(0);
  await settled();
  return { panel, turn, request };
}

function end(panel: FakePanel, turn: FakeTurn, request: string): Record<string, unknown> {
  const data = { [MIME_TYPE]: turn.record('complete', 'one two'), 'text/plain': 'one two' };
  turn.send(['state', { status: 'complete' }]);
  panel.publish(request, 'update_display_data', { data });
  return data;
}

beforeEach(async () => {
  document.body.replaceChildren();
  rendermime = newRendermime();
  await rendererPlugin.activate(fakeApp().app, rendermime, null);
});

afterEach(() => {
  vi.useRealTimers();
});

it('continues in its cell after that has ended', async () => {
  const { turn } = await streaming();
  turn.send(['add', 1, 'two']);
  await settled();
  expect(document.querySelector('.mm-text')?.textContent.trim()).toBe('one two');
  expect(document.querySelector('.mm-stop')).not.toBeNull();
});

it('is shown in its cell if that was moved while it streamed', async () => {
  const { panel, turn, request } = await streaming();
  panel.content.deselectAll();
  panel.content.activeCellIndex = 0;
  NotebookActions.moveDown(panel.content);
  await settled();
  const data = end(panel, turn, request);
  await settled();
  expect(panel.outputs(1).map((output) => output.data)).toEqual([data]);
});

it('is forgotten once its final output is shown', async () => {
  const { panel, turn, request } = await streaming();
  vi.useFakeTimers();
  panel.show(0, end(panel, turn, request));
  expect(liveTurn(turn.id)).not.toBeNull();
  await vi.advanceTimersByTimeAsync(2_000);
  expect(liveTurn(turn.id)).toBeNull();
});

it('is not shown again after its kernel is gone and its output was cleared', async () => {
  const { panel, turn } = await streaming();
  panel.sessionContext.statusChanged.emit('restarting');
  await settled();
  expect(liveTurn(turn.id)?.isLost).toBe(true);
  panel.content.activeCellIndex = 0;
  NotebookActions.clearOutputs(panel.content);
  NotebookActions.insertBelow(panel.content);
  await settled();
  expect(panel.outputs(0)).toEqual([]);
});

it('is stopped by the command if its cell is selected, and else the turn that runs in the notebook', async () => {
  const { panel, turn } = await streaming();
  panel.content.activeCellIndex = 1;
  panel.kernel.answer = () => ({ received: true });
  await stopAnswer(panel.asPanel);
  expect(panel.kernel.requests.at(-1)).toEqual({ message: { type: 'stop' } });
  panel.content.activeCellIndex = 0;
  await stopAnswer(panel.asPanel);
  expect(panel.kernel.requests.at(-1)).toEqual({ turn: turn.id, message: { type: 'stop' } });
  expect(panel.kernel.interrupts).toBe(0);
});
