// Fix with MiniMax below an error, and Edit with MiniMax…: the command that is inserted below the cell and run.
import { beforeEach, expect, it, vi } from 'vitest';
import { InputDialog } from '@jupyterlab/apputils';
import { commandsPlugin } from '../../src/lab/commands';
import { kernelPlugin } from '../../src/lab/kernel-plugin';
import {
  fakeApp,
  openNotebook,
  settled,
  type CellContent,
  type FakePanel,
} from './fake-jupyterlab';

const ERROR = { output_type: 'error', ename: 'E', evalue: 'e', traceback: [] };
const FAILED: CellContent = { source: '1 / 0\n2 / 0\n3', outputs: [ERROR] };
const SETTINGS = { settings: { model: { shown: 'MiniMax-M2.7', source: 'default' } } };

let panel: FakePanel;
let commands: ReturnType<typeof fakeApp>['commands'];
let ran: string[];

async function open(...cells: (string | CellContent)[]): Promise<void> {
  panel = openNotebook(['%load_ext mm_magics', ...cells], { lastModified: '2026-11-28T00:00:00Z' });
  panel.content.scrollToCell = () => Promise.resolve();
  const { app, tracker, commands: registry } = fakeApp(panel);
  commands = registry;
  ran = [];
  commands.addCommand('notebook:run-cell', {
    execute: () => ran.push(panel.content.activeCell!.model.sharedModel.getSource()),
  });
  await kernelPlugin.activate(app, tracker);
  await commandsPlugin.activate(app, tracker, null, null);
  await settled();
}

const load = async (): Promise<void> => {
  panel.kernel.reply('mm_magics.document', SETTINGS);
  await settled();
};
const buttons = (): HTMLButtonElement[] => [
  ...document.querySelectorAll<HTMLButtonElement>('.mm-fix button'),
];

beforeEach(() => {
  document.body.replaceChildren();
  vi.restoreAllMocks();
});

it('the button is below each error while the kernel has loaded mm_magics', async () => {
  await open(FAILED, 'x', { source: '%%minimax\nHi.', outputs: [ERROR] });
  expect(buttons()).toHaveLength(0);
  await load();
  expect(buttons()).toHaveLength(1);
  panel.show(1, { 'text/plain': '1' });
  await settled();
  expect(buttons()).toHaveLength(0);
});

it('the button runs the command for its cell, the second time in the same cell', async () => {
  await open(FAILED, 'x');
  await load();
  buttons()[0]!.click();
  await settled();
  expect(panel.sources.slice(2)).toEqual(['%minimax fix #cell-1', 'x']);
  buttons()[0]!.click();
  await settled();
  expect(panel.sources).toHaveLength(4);
  expect(ran).toEqual(['%minimax fix #cell-1', '%minimax fix #cell-1']);
});

it.each([
  [null, '%minimax edit #cell-1 "Say \\"hi\\" \\\\ now"'],
  [{ start: { line: 1, column: 0 }, end: { line: 2, column: 0 } }, ':2-2 '],
  [{ start: { line: 2, column: 1 }, end: { line: 0, column: 2 } }, ':1-3 '],
])('an instruction for the cell or the selection %j', async (selection, expected) => {
  await open(FAILED);
  await load();
  panel.content.activeCellIndex = 1;
  if (selection) panel.content.activeCell!.editor!.setSelection(selection);
  vi.spyOn(InputDialog, 'getText').mockResolvedValue({
    value: 'Say "hi"\n\\ now',
  } as Awaited<ReturnType<typeof InputDialog.getText>>);
  await commands.execute('mm-magics:edit-cell');
  await settled();
  expect(ran).toHaveLength(1);
  expect(ran[0]).toContain(expected);
});

it('nothing is asked without an instruction, for prompts, or without mm_magics', async () => {
  await open('x', '%%minimax\nHi.');
  panel.content.activeCellIndex = 1;
  expect(commands.isEnabled('mm-magics:edit-cell')).toBe(false);
  await load();
  expect(commands.isEnabled('mm-magics:edit-cell')).toBe(true);
  panel.content.activeCellIndex = 2;
  expect(commands.isEnabled('mm-magics:edit-cell')).toBe(false);
  panel.content.activeCellIndex = 1;
  vi.spyOn(InputDialog, 'getText').mockResolvedValue({
    value: ' ',
  } as Awaited<ReturnType<typeof InputDialog.getText>>);
  await commands.execute('mm-magics:edit-cell');
  expect(ran).toEqual([]);
});
