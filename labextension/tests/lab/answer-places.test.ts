// An answer ends up in its cell, wherever the cell is when the answer ends.
import { NotebookActions } from '@jupyterlab/notebook';
import { beforeEach, describe, expect, it } from 'vitest';
import { kernelPlugin } from '../../src/lab/kernel-plugin';
import { MIME_TYPE } from '../../src/protocol';
import { fakeApp, openNotebook, settled, turnRecord, type FakePanel } from './fake-jupyterlab';

const PROMPT = '%%minimax\nHi.';
const WIDGET = 'application/vnd.jupyter.widget-view+json';

let count = 0;

/** One turn: what its cell shows while it streams, and its final bundle. */
class TestTurn {
  readonly id = `turn-${count++}`;

  constructor(readonly cell = 'cell-0') {}

  get live(): Record<string, unknown> {
    return { [MIME_TYPE]: this.record('stopped', ''), [WIDGET]: { model_id: this.id } };
  }

  get final(): Record<string, unknown> {
    return { [MIME_TYPE]: this.record('complete', 'The answer.'), 'text/plain': 'The answer.' };
  }

  private record(status: string, text: string): Record<string, unknown> {
    return turnRecord(text, { id: this.id, cell_id: this.cell, status });
  }
}

async function open(...sources: string[]): Promise<FakePanel> {
  const panel = openNotebook(sources);
  const { app, tracker } = fakeApp(panel);
  await kernelPlugin.activate(app, tracker);
  await settled();
  return panel;
}

/** Run cell 0 until its turn streams, as JupyterLab does. */
async function stream(panel: FakePanel, turn: TestTurn): Promise<string> {
  const request = await panel.run(0);
  panel.publish(request, 'display_data', { data: turn.live });
  panel.show(0, turn.live);
  await settled();
  return request;
}

async function end(panel: FakePanel, request: string, turn: TestTurn): Promise<void> {
  panel.publish(request, 'update_display_data', { data: turn.final });
  panel.publish(request, 'status', { execution_state: 'idle' });
  await settled();
}

function select(panel: FakePanel, index: number): void {
  panel.content.deselectAll();
  panel.content.activeCellIndex = index;
}

const shown = (panel: FakePanel): unknown[] =>
  panel.content.widgets.map(({ model }, index) =>
    model.type === 'code' ? panel.outputs(index).map(({ data }) => data) : model.type,
  );

beforeEach(() => {
  document.body.replaceChildren();
});

it('shows only the earlier answer if nothing was received this time', async () => {
  const panel = await open(PROMPT);
  const [earlier, turn] = [new TestTurn(), new TestTurn()];
  const transient = { display_id: 'display' };
  const request = await panel.run(0);
  panel.publish(request, 'display_data', { data: turn.live, transient });
  panel.show(0, turn.live);
  await settled();
  panel.publish(request, 'update_display_data', { data: earlier.final, transient });
  panel.show(0, earlier.final);
  await settled();
  expect(shown(panel)).toEqual([[earlier.final]]);
});

const changes: Record<string, (panel: FakePanel) => void> = {
  moved: (panel) => {
    select(panel, 0);
    NotebookActions.moveDown(panel.content);
  },
  'deleted and restored': (panel) => {
    select(panel, 0);
    NotebookActions.deleteCells(panel.content);
    NotebookActions.undo(panel.content);
  },
  'moved and moved back by undo': (panel) => {
    select(panel, 0);
    NotebookActions.moveDown(panel.content);
    NotebookActions.undo(panel.content);
  },
  'cut and pasted': (panel) => {
    select(panel, 0);
    NotebookActions.cut(panel.content);
    NotebookActions.paste(panel.content, 'below');
  },
  'converted twice': (panel) => {
    select(panel, 0);
    NotebookActions.changeCellType(panel.content, 'markdown');
    select(panel, 0);
    NotebookActions.changeCellType(panel.content, 'code');
  },
  split: (panel) => {
    select(panel, 0);
    panel.content.activeCell!.editor!.setCursorPosition({ line: 0, column: 3 });
    NotebookActions.splitCell(panel.content);
  },
  'merged with the cell below': (panel) => {
    select(panel, 0);
    NotebookActions.mergeCells(panel.content);
  },
  'merged with the cell above': (panel) => {
    NotebookActions.moveDown(panel.content);
    select(panel, 1);
    NotebookActions.mergeCells(panel.content, true);
  },
  'edited and merged': (panel) => {
    panel.setSource(0, '%%minimax\nHi, Ada.');
    select(panel, 0);
    NotebookActions.mergeCells(panel.content);
  },
};

describe.each(Object.entries(changes))('a cell that was %s', (_name, change) => {
  it('while its answer streams shows the answer while it streams and when it ends', async () => {
    const panel = await open(PROMPT, 'x = 1', 'y = 2');
    const turn = new TestTurn();
    const request = await stream(panel, turn);
    change(panel);
    await settled();
    expect(shown(panel).flat()).toContainEqual(turn.live);
    await end(panel, request, turn);
    const outputs = shown(panel).filter((each) => (each as unknown[]).length > 0);
    expect(outputs).toEqual([[turn.final]]);
  });

  it('before its answer begins shows the answer', async () => {
    const panel = await open(PROMPT, 'x = 1', 'y = 2');
    const turn = new TestTurn();
    const request = await panel.run(0);
    change(panel);
    await settled();
    panel.publish(request, 'display_data', { data: turn.live });
    await settled();
    await end(panel, request, turn);
    expect(shown(panel).flat()).toContainEqual(turn.final);
    expect(shown(panel).flat()).not.toContainEqual(turn.live);
  });
});

describe('an answer that ends while its cell is missing', () => {
  it.each([
    ['deleted', NotebookActions.deleteCells],
    ['cut', NotebookActions.cut],
  ])('is shown when the cell that was %s is restored', async (_name, remove) => {
    const panel = await open(PROMPT, 'x = 1');
    const turn = new TestTurn();
    const request = await stream(panel, turn);
    select(panel, 0);
    remove(panel.content);
    await end(panel, request, turn);
    expect(shown(panel)).toEqual([[]]);
    NotebookActions.undo(panel.content);
    await settled();
    expect(shown(panel)).toEqual([[turn.final], []]);
  });

  it('is shown when the cell becomes a code cell again', async () => {
    const panel = await open(PROMPT);
    const turn = new TestTurn();
    const request = await stream(panel, turn);
    select(panel, 0);
    NotebookActions.changeCellType(panel.content, 'raw');
    await end(panel, request, turn);
    expect(shown(panel)).toEqual(['raw']);
    select(panel, 0);
    NotebookActions.changeCellType(panel.content, 'code');
    await settled();
    expect(shown(panel)).toEqual([[turn.final]]);
  });

  it('is not shown anywhere if the cell never comes back', async () => {
    const panel = await open(PROMPT, 'x = 1');
    const turn = new TestTurn();
    const request = await stream(panel, turn);
    select(panel, 0);
    NotebookActions.deleteCells(panel.content);
    await end(panel, request, turn);
    NotebookActions.insertBelow(panel.content);
    await settled();
    expect(shown(panel)).toEqual([[], []]);
  });
});

describe('a copy that was made while the answer streamed', () => {
  it('shows the final answer', async () => {
    const panel = await open(PROMPT);
    const turn = new TestTurn();
    const request = await stream(panel, turn);
    select(panel, 0);
    NotebookActions.copy(panel.content);
    NotebookActions.paste(panel.content);
    await end(panel, request, turn);
    expect(shown(panel)).toEqual([[turn.final], [turn.final]]);
    NotebookActions.paste(panel.content);
    await settled();
    expect(shown(panel)).toEqual([[turn.final], [turn.final], [turn.final]]);
  });

  it('shows the final answer in another notebook', async () => {
    const one = openNotebook([PROMPT]);
    const other = openNotebook(['x = 1']);
    const { app, tracker } = fakeApp(one, other);
    await kernelPlugin.activate(app, tracker);
    await settled();
    const turn = new TestTurn();
    const request = await stream(one, turn);
    select(one, 0);
    NotebookActions.copy(one.content);
    NotebookActions.paste(other.content);
    await end(one, request, turn);
    expect(shown(other)).toEqual([[], [turn.final]]);
    expect(shown(one)).toEqual([[turn.final]]);
  });
});

describe('outputs are left alone', () => {
  it('where JupyterLab has shown the answer', async () => {
    const panel = await open(PROMPT);
    const turn = new TestTurn();
    const request = await stream(panel, turn);
    panel.show(0, turn.final);
    await end(panel, request, turn);
    expect(shown(panel)).toEqual([[turn.final]]);
  });

  it('where the cell was asked again', async () => {
    const panel = await open(PROMPT);
    const first = new TestTurn();
    const request = await stream(panel, first);
    const second = new TestTurn();
    const next = await panel.run(0);
    await end(panel, request, first);
    expect(shown(panel)).toEqual([[]]);
    panel.publish(next, 'display_data', { data: second.live });
    panel.show(0, second.live);
    await end(panel, next, second);
    NotebookActions.insertBelow(panel.content);
    await settled();
    expect(shown(panel)).toEqual([[second.final], []]);
  });

  it('where the user cleared the answer after it ended', async () => {
    const panel = await open(PROMPT);
    const turn = new TestTurn();
    await end(panel, await stream(panel, turn), turn);
    NotebookActions.clearOutputs(panel.content);
    NotebookActions.insertBelow(panel.content);
    await settled();
    expect(shown(panel)).toEqual([[], []]);
  });

  it('where another page ran the cell', async () => {
    const panel = await open(PROMPT);
    panel.publish('request', 'display_data', { data: new TestTurn().final }, 'another page');
    await settled();
    expect(shown(panel)).toEqual([[]]);
  });

  it('where a turn is displayed again by another cell', async () => {
    const panel = await open(PROMPT, 'show()');
    panel.publish(await panel.run(1), 'display_data', { data: new TestTurn('cell-0').final });
    await settled();
    expect(shown(panel)).toEqual([[], []]);
  });

  it.each([
    [{}],
    [{ [MIME_TYPE]: 7 }],
    [{ [MIME_TYPE]: { id: 7 } }],
    [{ [MIME_TYPE]: { id: 'a' } }],
  ])('by malformed messages: %j', async (data) => {
    const panel = await open(PROMPT);
    panel.publish('request', 'display_data', { data });
    await settled();
    expect(shown(panel)).toEqual([[]]);
  });
});
