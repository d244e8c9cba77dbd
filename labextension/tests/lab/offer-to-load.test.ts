// The offer to load mm_magics where a prompt cell failed because the kernel does not know it.
import { Notification } from '@jupyterlab/apputils';
import { NotebookActions } from '@jupyterlab/notebook';
import { nullTranslator } from '@jupyterlab/translation';
import { beforeEach, expect, it, vi } from 'vitest';
import { offerToLoad } from '../../src/lab/offer-to-load';
import { fakeApp, openNotebook, type FakePanel } from './fake-jupyterlab';

const CELL = 'Cell magic `%%minimax` not found.';
const LINE = 'Line magic function `%minimax` not found.';

function offers(): number {
  return Notification.manager.count;
}

function opened(): FakePanel {
  const panel = openNotebook(['x = 1', '%%minimax\nHi.']);
  offerToLoad(fakeApp(panel).tracker, nullTranslator.load(''));
  return panel;
}

beforeEach(() => {
  Notification.dismiss();
});

it.each([CELL, LINE])('is made once per notebook: %s', (message) => {
  const panel = opened();
  panel.fail(1, 'UsageError', message);
  panel.fail(1, 'UsageError', message);
  expect(offers()).toBe(1);
});

it.each([
  ['UsageError', 'Cell magic `%%time` not found.'],
  ['UsageError', 'Cell magic `%%minimax2` not found.'],
  ['NameError', CELL],
  ['ArgumentError', 'Unknown flag --zzz.'],
])('is not made for another error: %s %s', (name, value) => {
  opened().fail(1, name, value);
  expect(offers()).toBe(0);
});

it('inserts a cell and runs it and the prompt only when it is clicked', async () => {
  const panel = opened();
  const run = vi.spyOn(NotebookActions, 'runCells').mockResolvedValue(true);
  panel.fail(1, 'UsageError', CELL);
  expect(panel.sources).toEqual(['x = 1', '%%minimax\nHi.']);
  expect(run).not.toHaveBeenCalled();
  const [offer] = Notification.manager.notifications;
  offer!.options.actions![0]!.callback(new MouseEvent('click'));
  expect(panel.sources).toEqual(['%load_ext mm_magics', 'x = 1', '%%minimax\nHi.']);
  await vi.waitFor(() => {
    expect(run).toHaveBeenCalledTimes(2);
  }, 30_000);
  const cells = run.mock.calls.map(([, [cell]]) => cell!.model.sharedModel.getSource());
  expect(cells).toEqual(['%load_ext mm_magics', '%%minimax\nHi.']);
  run.mockRestore();
});
