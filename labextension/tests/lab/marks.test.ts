// The marks of answers explain themselves, and offer to ask again.
import { beforeEach, describe, expect, it } from 'vitest';
import { commandsPlugin } from '../../src/lab/commands';
import { kernelPlugin } from '../../src/lab/kernel-plugin';
import { rendererPlugin } from '../../src/lab/mime-renderer';
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
/** The ids of the cells that were run together. */
let ran: string[][];

async function open(stale: readonly number[], count = 4): Promise<void> {
  document.body.replaceChildren();
  const rendermime = newRendermime();
  await rendererPlugin.activate(fakeApp().app, rendermime, null);
  const asked = (index: number): Record<string, unknown> => ({
    messages: [
      { role: 'user', content: [{ type: 'text', text: `Question ${index}.` }] },
      { role: 'assistant', content: [{ type: 'text', text: 'Answer.' }] },
    ],
  });
  const cells = Array.from({ length: count }, (_, index) => ({
    source: `%%minimax\nQuestion ${index}.`,
    outputs: [turnOutput(turnRecord('', { id: `turn-${index}`, ...asked(index) }))],
  }));
  panel = openNotebook(cells, { rendermime });
  panel.content.scrollToCell = () => Promise.resolve();
  const started = fakeApp(panel);
  ({ commands } = started);
  ran = [];
  commands.addCommand('notebook:run-cell', {
    execute: () => {
      const { content } = panel;
      const run = content.widgets.filter((cell) => content.isSelectedOrActive(cell));
      ran.push(run.map(({ model }) => model.id));
      for (const cell of run) panel.schedule(content.widgets.indexOf(cell));
    },
  });
  await kernelPlugin.activate(started.app, started.tracker);
  await commandsPlugin.activate(started.app, started.tracker, null, null);
  await settled();
  panel.schedule(0);
  panel.finish(0);
  const marks = stale.map((index) => [`cell-${index}`, { [`turn-${index}`]: ['stale'] }]);
  panel.kernel.reply('mm_magics.document', { marks: Object.fromEntries(marks) as object });
  await settled();
}

const dialog = (): HTMLElement | null => document.querySelector('.jp-Dialog');
const labels = (): string[] =>
  [...dialog()!.querySelectorAll('button')].map((each) => each.textContent.trim()).filter(Boolean);
const choose = async (label: string): Promise<void> => {
  const buttons = [...dialog()!.querySelectorAll<HTMLElement>('button')];
  buttons.find(({ textContent }) => textContent.trim() === label)!.click();
  await settled();
};
const press = async (index: number): Promise<void> => {
  panel.content.widgets[index]!.node.querySelector<HTMLElement>('button.mm-mark')!.click();
  await settled();
};

beforeEach(() => {
  ran = [];
});

describe('a mark', () => {
  it('explains itself, and asks its cell again', async () => {
    await open([2]);
    await press(2);
    expect(dialog()!.textContent).toContain('A turn above has changed since this answer.');
    expect(labels()).toEqual(['Close', 'Ask again']);
    await choose('Ask again');
    expect(ran).toEqual([['cell-2']]);
    expect(panel.kernel.descriptions.at(-1)!['once']).toEqual({ 'cell-2': { replay: 'off' } });
  });

  it('offers to ask all stale and edited answers below', async () => {
    await open([0, 1, 3]);
    panel.content.widgets[2]!.model.sharedModel.setSource('%%minimax\nEdited.');
    await press(1);
    expect(labels()).toEqual(['Close', 'Ask all 3 below', 'Ask again']);
    await choose('Ask all 3 below');
    expect(ran).toEqual([['cell-1', 'cell-2', 'cell-3']]);
  });

  it('does nothing more if the dialog is closed', async () => {
    await open([1, 2]);
    await press(1);
    await choose('Close');
    expect(ran).toEqual([]);
  });
});

describe('Ask All Stale Answers Below', () => {
  const execute = async (): Promise<void> => {
    void commands.execute('mm-magics:ask-stale-below');
    await settled();
  };

  it('says how many prompts it sends before it sends them', async () => {
    await open([1, 2, 3]);
    panel.content.activeCellIndex = 2;
    await execute();
    expect(dialog()!.textContent).toContain('sends 2 prompts');
    await choose('Ask all');
    expect(ran).toEqual([['cell-2', 'cell-3']]);
  });

  it('is enabled where an answer below is stale', async () => {
    await open([1]);
    const enabled = [0, 1, 2].map((index) => {
      panel.content.activeCellIndex = index;
      return commands.isEnabled('mm-magics:ask-stale-below');
    });
    expect(enabled).toEqual([true, true, false]);
  });

  it('asks one prompt without a question', async () => {
    await open([3]);
    await execute();
    expect(ran).toEqual([['cell-3']]);
  });
});
