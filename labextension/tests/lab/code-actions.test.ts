// The buttons above the code of an answer, as they change a notebook.
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
  type CellContent,
  type FakePanel,
} from './fake-jupyterlab';

const CODE = 'def f(x):\n    return x + 2\n\nprint(f(1))';
const ANSWERED: CellContent = {
  source: '%%minimax\nGo.',
  outputs: [
    turnOutput(turnRecord(`Do\n\n\`\`\`python\n${CODE}\n\`\`\`\n\n\`\`\`bash\nls\n\`\`\``)),
  ],
};

let panel: FakePanel;
/** The cells that were run, as they were then. */
let ran: string[];

async function open(...cells: (string | CellContent)[]): Promise<void> {
  const rendermime = newRendermime();
  await rendererPlugin.activate(fakeApp().app, rendermime, null);
  panel = openNotebook(cells, { rendermime });
  panel.content.scrollToCell = () => Promise.resolve();
  const { app, tracker, commands } = fakeApp(panel);
  ran = [];
  commands.addCommand('notebook:run-cell', {
    execute: () => ran.push(panel.content.activeCell!.model.sharedModel.getSource()),
  });
  await kernelPlugin.activate(app, tracker);
  await commandsPlugin.activate(app, tracker, null, null);
  await settled();
}

const buttons = (label: RegExp): HTMLButtonElement[] =>
  [...document.querySelectorAll<HTMLButtonElement>('.mm-code-action')].filter((each) =>
    label.test(each.getAttribute('aria-label')!),
  );
const press = async (label: RegExp): Promise<void> => {
  buttons(label)[0]!.click();
  await settled();
};
const send = (detail: unknown, target: Element = panel.content.widgets[0]!.node): void => {
  target.dispatchEvent(new CustomEvent('mm-code', { detail, bubbles: true }));
};

beforeEach(() => {
  document.body.replaceChildren();
});

describe('Insert below', () => {
  it('inserts the code below the answer and below what was inserted before, and runs nothing', async () => {
    await open(ANSWERED, 'below');
    await press(/new cell below$/);
    send({ name: 'insert', code: 'second' });
    expect(panel.sources.slice(1)).toEqual([CODE, 'second', 'below']);
    expect(panel.content.activeCellIndex).toBe(0);
    expect(ran).toEqual([]);
  });

  it.each([{ detail: { name: 'insert', code: 1 } }, { detail: 'x' }, { detail: null }])(
    'ignores %j',
    async ({ detail }) => {
      await open(ANSWERED);
      send(detail);
      send({ name: 'insert', code: 'no cell' }, panel.content.node);
      send({ name: 'unknown', code: 'x' });
      expect(panel.sources).toHaveLength(1);
    },
  );
});

describe('Insert and run', () => {
  it('runs a new cell with exactly the code that was clicked on', async () => {
    await open('first', ANSWERED, 'below');
    await press(/and run/);
    expect(panel.sources.slice(2)).toEqual([CODE, 'below']);
    expect(ran).toEqual([CODE]);
    expect(panel.content.activeCellIndex).toBe(2);
  });

  it('runs nothing if the cell is another one by then', async () => {
    await open(ANSWERED, 'below');
    panel.content.scrollToCell = () => {
      panel.content.activeCell!.model.sharedModel.setSource('changed');
      return Promise.resolve();
    };
    await press(/and run/);
    expect(ran).toEqual([]);
  });

  it('is offered for Python only', async () => {
    await open(ANSWERED);
    expect(buttons(/and run/)).toHaveLength(1);
    expect(buttons(/new cell below$/)).toHaveLength(2);
  });
});

describe('Apply to cell', () => {
  const OLD = 'def f(x):\n    return x + 1\n';
  const dialog = (): HTMLElement | null => document.querySelector('.jp-Dialog');
  const answer = async (button: 'accept' | 'reject'): Promise<void> => {
    dialog()!.querySelector<HTMLElement>(`button.jp-mod-${button}`)!.click();
    await settled();
  };
  const options = (): string[] =>
    [...dialog()!.querySelectorAll('option')].map((each) => each.text);
  const opened = async (): Promise<void> => {
    await press(/Compare/);
    // The dialog is loaded.
    for (let tries = 0; !dialog() && tries < 100; tries++) await settled();
  };

  it('compares the code with the most similar cell, and replaces its text on Accept', async () => {
    await open('import os', OLD, 'other', ANSWERED, 'x = 1');
    await opened();
    expect(options()).toEqual([
      'Cell 1: import os',
      'Cell 2: def f(x):',
      'Cell 3: other',
      'Cell 5: x = 1',
    ]);
    expect(dialog()!.querySelector('select')!.selectedIndex).toBe(1);
    expect(dialog()!.querySelector('.cm-deletedChunk')!.textContent).toContain('return x + 1');
    expect(panel.sources[1]).toBe(OLD);
    await answer('accept');
    expect(panel.sources).toEqual(['import os', CODE, 'other', ANSWERED.source, 'x = 1']);
    expect(panel.content.activeCellIndex).toBe(1);
    expect(ran).toEqual([]);
    panel.content.widgets[1]!.model.sharedModel.undo();
    expect(panel.sources[1]).toBe(OLD);
  });

  it('changes nothing on Reject', async () => {
    await open(OLD, ANSWERED);
    await opened();
    await answer('reject');
    expect(panel.sources[0]).toBe(OLD);
    expect(dialog()).toBeNull();
  });

  it('compares with the cell above if none is similar, and with another one that the user chooses', async () => {
    await open('a', 'b', ANSWERED, 'c');
    await opened();
    const select = dialog()!.querySelector('select')!;
    expect(select.selectedIndex).toBe(1);
    select.selectedIndex = 2;
    select.dispatchEvent(new Event('change'));
    expect(dialog()!.querySelector('.cm-deletedChunk')!.textContent).toContain('c');
    await answer('accept');
    expect(panel.sources).toEqual(['a', 'b', ANSWERED.source, CODE]);
  });

  it('keeps old lines that the user wants to keep', async () => {
    const original = 'first\n\nsame\n\nlast';
    await open(original, {
      source: '%%minimax\nGo.',
      outputs: [turnOutput(turnRecord('```python\nFIRST\n\nsame\n\nLAST\n```'))],
    });
    await opened();
    const keep = [...dialog()!.querySelectorAll<HTMLElement>('.cm-chunkButtons button')];
    expect(keep.map((each) => each.textContent)).toEqual([
      'Keep the old lines',
      'Keep the old lines',
    ]);
    keep[0]!.dispatchEvent(new MouseEvent('mousedown', { bubbles: true }));
    keep[0]!.click();
    await answer('accept');
    expect(panel.sources[0]).toBe('first\n\nsame\n\nLAST');
  });

  it('shows the comparison again if the cell has changed in the meantime', async () => {
    await open(OLD, ANSWERED);
    await opened();
    panel.content.widgets[0]!.model.sharedModel.setSource('changed');
    await answer('accept');
    expect(panel.sources[0]).toBe('changed');
    expect(dialog()!.querySelector('.mm-apply-note')!.textContent).toContain('has changed');
    await answer('accept');
    expect(panel.sources[0]).toBe(CODE);
  });

  it('offers neither prompt cells nor cells that are read-only, and says so if no other is left', async () => {
    await open(ANSWERED, { source: 'text', type: 'markdown' });
    await opened();
    expect(dialog()!.textContent).toContain('no other code cell');
    await answer('accept');
    expect(panel.sources).toHaveLength(2);
  });
});

it('nothing runs by drawing an answer', async () => {
  await open(ANSWERED);
  expect(ran).toEqual([]);
});
