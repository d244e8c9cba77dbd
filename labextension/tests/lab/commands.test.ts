// The commands in the palette, as they change a notebook.
import type { CommandRegistry } from '@lumino/commands';
import { beforeEach, describe, expect, it } from 'vitest';
import { commandsPlugin } from '../../src/lab/commands';
import { kernelPlugin } from '../../src/lab/kernel-plugin';
import {
  fakeApp,
  openNotebook,
  settled,
  turnOutput,
  turnRecord,
  type CellContent,
  type FakePanel,
} from './fake-jupyterlab';

const CODE = 'Do\n\n```python\none = 1\n```\n\nand\n\n- then\n\n  ```python\n  two = 2\n  ```\n';
const ANSWERED: CellContent = {
  source: '%%minimax\nGo.',
  outputs: [turnOutput(turnRecord(CODE))],
};
const VERSIONED = turnRecord(CODE, {
  versions: [turnRecord('Newer.'), turnRecord('Older.')],
  newer: 1,
});

let palette: string[];

async function activate(panel: FakePanel): Promise<ReturnType<typeof fakeApp>> {
  panel.content.scrollToCell = () => Promise.resolve();
  const started = fakeApp(panel);
  palette = [];
  const items = { addItem: ({ command }: { command: string }) => palette.push(command) };
  await kernelPlugin.activate(started.app, started.tracker);
  await commandsPlugin.activate(started.app, started.tracker, items, null);
  await settled();
  return started;
}

beforeEach(() => {
  document.body.replaceChildren();
});

it('every command is in the palette', async () => {
  const { commands } = await activate(openNotebook(['x']));
  expect(palette.map((command) => commands.label(command))).toEqual([
    'New Prompt Cell Below',
    'Ask Again',
    'Ask Again with Another Model…',
    'Ask All Stale Answers Below',
    'Copy the Answer as Markdown',
    'Copy the Answer as Plain Text',
    'Show the Older Version',
    'Show the Newer Version',
    'Show the Request… (no answer yet)',
    'Pin: Never Summarize the Turn',
    'Edit the Summary of Earlier Turns…',
    'Download the Answer as Markdown',
    'Collapse the Answer or Show All of It',
    'Stop the Answer',
    'Fork the Conversation Here',
    'Export the Conversation',
    'Accept the Proposed Change',
    'Reject the Proposed Change',
    'Accept All Proposed Changes of the Turn',
    'Reject All Proposed Changes of the Turn',
    'Edit with MiniMax…',
    'Go to the Next Proposed Change',
    'Insert the Answer’s Code Below',
  ]);
  for (const command of palette) expect(command).toMatch(/^mm-magics:/);
});

it('New Prompt Cell Below inserts a prompt cell and edits it', async () => {
  const panel = openNotebook(['x', 'y']);
  const { commands } = await activate(panel);
  await commands.execute('mm-magics:new-prompt-below');
  expect(panel.sources).toEqual(['x', '%%minimax\n', 'y']);
  expect(panel.content.activeCellIndex).toBe(1);
  expect(panel.content.mode).toBe('edit');
  expect(panel.content.activeCell!.editor!.getCursorPosition()).toEqual({ line: 1, column: 0 });
});

const selectedText = (panel: FakePanel): string => {
  const editor = panel.content.activeCell!.editor!;
  const { start, end } = editor.getSelection();
  const source = editor.model.sharedModel.getSource();
  return source.slice(editor.getOffsetAt(start), editor.getOffsetAt(end));
};

it('Fork inserts a command with the first unused name selected, and does not run it', async () => {
  const panel = openNotebook(['%minimax fork fork-1', 'fork-3', 'fork-22']);
  const { commands } = await activate(panel);
  await commands.execute('mm-magics:fork-here');
  expect(panel.sources[1]).toBe('%minimax fork fork-2');
  expect(selectedText(panel)).toBe('fork-2');
  expect(panel.kernel.calls).toEqual([]);
});

it('Export inserts a command with the file name selected', async () => {
  const panel = openNotebook(['x']);
  const { commands } = await activate(panel);
  await commands.execute('mm-magics:export');
  expect(panel.sources[1]).toBe('%minimax export conversation.md');
  expect(selectedText(panel)).toBe('conversation.md');
});

describe('Insert Code', () => {
  it('inserts one code block after the other, then starts again, and never runs them', async () => {
    const panel = openNotebook([ANSWERED, 'below']);
    const { commands } = await activate(panel);
    await commands.execute('mm-magics:insert-code');
    // The inserted cell is active now and belongs to the same answer.
    await commands.execute('mm-magics:insert-code');
    await commands.execute('mm-magics:insert-code');
    expect(panel.sources.slice(1)).toEqual(['one = 1', 'two = 2', 'one = 1', 'below']);
    expect(panel.content.activeCellIndex).toBe(3);
    expect(panel.content.mode).toBe('command');
    expect(panel.kernel.calls).toEqual([]);
  });

  it('is enabled only in a cell with an answer', async () => {
    const panel = openNotebook([ANSWERED, '%%minimax\nNot yet.']);
    const { commands } = await activate(panel);
    expect(commands.isEnabled('mm-magics:insert-code')).toBe(true);
    panel.content.activeCellIndex = 1;
    expect(commands.isEnabled('mm-magics:insert-code')).toBe(false);
    await commands.execute('mm-magics:insert-code').catch(() => undefined);
    expect(panel.sources).toHaveLength(2);
  });
});

describe('Ask Again', () => {
  const once = (panel: FakePanel): unknown => panel.kernel.descriptions.at(-1)!['once'];

  /** Run cells as JupyterLab does. */
  function addRunCell(commands: CommandRegistry, panel: FakePanel): void {
    commands.addCommand('notebook:run-cell', {
      execute: () => {
        panel.schedule(panel.content.activeCellIndex);
        panel.finish(panel.content.activeCellIndex);
      },
    });
  }

  it('runs the active cell, and sends the prompt even if its answer is recorded', async () => {
    const panel = openNotebook([ANSWERED]);
    const { commands } = await activate(panel);
    addRunCell(commands, panel);
    await commands.execute('mm-magics:ask-again');
    expect(panel.kernel.descriptions.at(-1)).toMatchObject({ scheduled: ['cell-0'] });
    expect(once(panel)).toEqual({ 'cell-0': { replay: 'off' } });
    panel.schedule(0);
    expect(once(panel)).toBeUndefined();
  });

  it('with another model changes neither the text of the cell nor its next runs', async () => {
    const panel = openNotebook([ANSWERED]);
    const { commands } = await activate(panel);
    addRunCell(commands, panel);
    const done = commands.execute('mm-magics:ask-again-with-model');
    await settled();
    const input = document.querySelector<HTMLInputElement>('.jp-Dialog input')!;
    expect(input.value).not.toBe('MiniMax-M2.7');
    input.value = ' MiniMax-X ';
    document.querySelector<HTMLElement>('.jp-Dialog .jp-mod-accept')!.click();
    await done;
    expect(once(panel)).toEqual({ 'cell-0': { model: 'MiniMax-X', replay: 'off' } });
    expect(panel.sources).toEqual(['%%minimax\nGo.']);
    panel.schedule(0);
    expect(once(panel)).toBeUndefined();
  });

  it('with another model runs nothing if the dialog is cancelled', async () => {
    const panel = openNotebook([ANSWERED]);
    const { commands } = await activate(panel);
    addRunCell(commands, panel);
    const done = commands.execute('mm-magics:ask-again-with-model');
    await settled();
    document.querySelector<HTMLElement>('.jp-Dialog .jp-mod-reject')!.click();
    await done;
    expect(panel.kernel.descriptions).toEqual([]);
  });

  it('needs a kernel, because running a cell without one clears its answer', async () => {
    const panel = openNotebook([ANSWERED]);
    const { commands } = await activate(panel);
    panel.sessionContext.session.kernel = null;
    expect(commands.isEnabled('mm-magics:ask-again')).toBe(false);
    expect(commands.isEnabled('mm-magics:ask-again-with-model')).toBe(false);
  });

  it('is in the menu of prompt cells only', async () => {
    const panel = openNotebook([ANSWERED, 'x = 1']);
    const { app, commands } = await activate(panel);
    const visible = [0, 1].map((index) => {
      const clicked = panel.content.widgets[index]!.node;
      Object.assign(app, { contextMenuHitTest: () => clicked });
      return commands.isVisible('mm-magics:ask-again', { promptsOnly: true });
    });
    expect(visible).toEqual([true, false]);
    expect(commands.isVisible('mm-magics:ask-again')).toBe(true);
  });

  it('is enabled in a prompt cell and in a cell with an answer', async () => {
    const explained = { ...ANSWERED, source: '%minimax explain' };
    const panel = openNotebook(['%%minimax\nHi.', explained, 'x = 1']);
    const { commands } = await activate(panel);
    const enabled = [0, 1, 2].map((index) => {
      panel.content.activeCellIndex = index;
      return commands.isEnabled('mm-magics:ask-again');
    });
    expect(enabled).toEqual([true, true, false]);
  });
});

it('Stop the Answer asks the kernel to stop', async () => {
  const panel = openNotebook(['%%minimax\nHi.']);
  const { commands } = await activate(panel);
  panel.schedule(0);
  await commands.execute('mm-magics:stop');
  expect(panel.kernel.requests).toEqual([{ message: { type: 'stop' } }]);
});

it('no command is enabled unless a notebook is in front', async () => {
  const { app, commands } = await activate(
    openNotebook([{ ...ANSWERED, outputs: [turnOutput(VERSIONED)] }]),
  );
  const disabled = palette.filter((command) => !commands.isEnabled(command));
  // The answer is short, not stale and without a summary, and no change is proposed.
  expect(disabled.filter((command) => !command.includes('change'))).toEqual([
    'mm-magics:ask-stale-below',
    'mm-magics:edit-summary',
    'mm-magics:collapse',
    'mm-magics:edit-cell',
  ]);
  Object.assign(app.shell, { currentWidget: null });
  expect(palette.some((command) => commands.isEnabled(command))).toBe(false);
});
