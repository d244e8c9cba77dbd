// Changes of a notebook that a model requests: what the page shows, makes, refuses and reports.
import type { ICodeCellModel } from '@jupyterlab/cells';
import { NotebookActions } from '@jupyterlab/notebook';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { commandsPlugin } from '../../src/lab/commands';
import { kernelPlugin } from '../../src/lab/kernel-plugin';
import type { PageMessage } from '../../src/protocol';
import type { ChangeMessage, NotebookChange } from '../../src/protocol-changes';
import {
  fakeApp,
  openNotebook,
  settled,
  type CellContent,
  type FakePanel,
} from './fake-jupyterlab';

let panel: FakePanel;
let commands: ReturnType<typeof fakeApp>['commands'];
let count = 0;

async function open(...cells: (string | CellContent)[]): Promise<void> {
  document.body.replaceChildren();
  panel = openNotebook(['%load_ext mm_magics', ...cells], { lastModified: '2026-11-28T00:00:00Z' });
  document.body.append(panel.node);
  panel.node.append(panel.content.node);
  panel.content.scrollToCell = () => Promise.resolve();
  const { app, tracker, commands: registry } = fakeApp(panel);
  commands = registry;
  panel.kernel.answer = () => ({ received: true });
  await kernelPlugin.activate(app, tracker);
  await commandsPlugin.activate(app, tracker, null, null);
  await settled();
}

function change(fields: Partial<NotebookChange>): NotebookChange {
  return {
    id: `c${String(count++)}`,
    turn: 't',
    kind: 'edit',
    cell: 'cell-1',
    ask: true,
    ...fields,
  };
}

async function receive(...changes: object[]): Promise<void> {
  panel.kernel.reply('mm_magics.document', { changes });
  await vi.waitFor(() => {
    const reported = new Set(reports().map((each) => each.change));
    for (const each of changes) expect(reported).toContain((each as NotebookChange).id);
  }, 30_000);
  await settled();
}

const reports = (): ChangeMessage[] =>
  panel.kernel.requests
    .map((request) => request['message'] as PageMessage)
    .filter((message) => message.type === 'change');
const states = (): string[] => reports().map(({ state }) => state);
const bars = (): HTMLElement[] => [...document.querySelectorAll<HTMLElement>('.mm-change')];
const press = async (name: string, at = 0): Promise<void> => {
  bars()[at]!.querySelector<HTMLButtonElement>(`.mm-change-${name}`)!.click();
  await settled();
};
const undoCell = (index: number): void => {
  panel.content.widgets[index]!.model.sharedModel.undo();
};
const undoNotebook = (): void => {
  NotebookActions.undo(panel.content);
};

beforeEach(() => {
  count = 0;
});
afterEach(() => {
  vi.restoreAllMocks();
});

describe('an edit', () => {
  const EDIT = { before: 'a = 1\nb = 2\nc = 3', after: 'a = 1\nb = 20\nc = 3' };

  it('is shown in the cell and changes nothing until it is accepted, in one undo step', async () => {
    await open(EDIT.before, 'other');
    await receive(change(EDIT));
    expect(states()).toEqual(['proposed']);
    expect(panel.sources[1]).toBe(EDIT.before);
    expect(document.querySelector('.mm-added-code')!.textContent).toBe('b = 20');
    expect(document.querySelector('.mm-removed-line')!.textContent).toBe('b = 2');
    expect(bars()[0]!.textContent).toContain('+1 −1 lines');
    await press('accept');
    expect(panel.sources[1]).toBe(EDIT.after);
    expect(reports().at(-1)).toMatchObject({ state: 'accepted', source: EDIT.after });
    expect(bars()).toEqual([]);
    expect(document.querySelector('.mm-added-lines, .mm-removed-line')).toBeNull();
    undoCell(1);
    expect(panel.sources[1]).toBe(EDIT.before);
  });

  it('leaves the cell as it is when it is rejected', async () => {
    await open(EDIT.before);
    await receive(change(EDIT));
    await press('reject');
    expect(panel.sources[1]).toBe(EDIT.before);
    expect(states()).toEqual(['proposed', 'rejected']);
    expect(document.querySelector('.mm-added-lines')).toBeNull();
  });

  it('is accepted in part if the user keeps old lines', async () => {
    await open('a = 1\nb = 2\nc = 3\nd = 4');
    await receive(
      change({
        before: 'a = 1\nb = 2\nc = 3\nd = 4',
        after: 'a = 10\nb = 2\nc = 3\nd = 40\ne = 5',
      }),
    );
    document.querySelector<HTMLButtonElement>('.mm-keep-old')!.click();
    await settled();
    await press('accept');
    expect(panel.sources[1]).toBe('a = 1\nb = 2\nc = 3\nd = 40\ne = 5');
    expect(reports().at(-1)).toMatchObject({ state: 'accepted', source: panel.sources[1] });
  });

  it.each([
    ['lines at the end', 'a', 'a\nb\nc'],
    ['lines at the top', 'b', 'a\nb'],
    ['all text', 'a', ''],
    ['an empty cell', '', 'a\nb'],
    ['lines in the middle', 'a\nc', 'a\nb\nc'],
    ['removed lines at the end', 'a\nb\nc', 'a'],
    ['a character outside the BMP', 'x = "😀"', 'x = "😃"'],
  ])('of %s ends with exactly the proposed text', async (_, before, after) => {
    await open(before);
    await receive(change({ before, after }));
    expect(bars()).toHaveLength(1);
    await press('accept');
    expect(panel.sources[1]).toBe(after);
  });

  it('shows characters that would disguise the code', async () => {
    await open('a');
    await receive(change({ before: 'a', after: 'b\u202e' }));
    expect(document.querySelector('.mm-added-code')!.textContent).toBe('b[U+202E]');
  });

  it('is withdrawn when the user edits the cell', async () => {
    await open(EDIT.before);
    await receive(change(EDIT));
    panel.setSource(1, 'a = 1\nb = 2\nc = 33');
    await settled();
    expect(reports().at(-1)).toMatchObject({ state: 'refused' });
    expect(reports().at(-1)!.reason).toContain('edited while');
    expect(panel.sources[1]).toBe('a = 1\nb = 2\nc = 33');
    expect(document.querySelector('.mm-added-lines')).toBeNull();
    expect(bars()[0]!.textContent).toContain('withdrawn');
    bars()[0]!.querySelector('button')!.click();
    expect(bars()).toEqual([]);
  });

  it('is withdrawn silently when another page of a shared notebook has accepted it', async () => {
    await open(EDIT.before);
    await receive(change(EDIT));
    panel.setSource(1, EDIT.after);
    await settled();
    expect(states()).toEqual(['proposed']);
    expect(bars()).toEqual([]);
  });

  it('is not shown if there is nothing to change', async () => {
    await open('a');
    await receive(change({ before: 'a', after: 'a' }));
    expect(states()).toEqual(['accepted']);
  });

  it('waits for an earlier edit of the cell, which it does not replace', async () => {
    await open('a');
    await receive(change({ before: 'a', after: 'b' }), change({ before: 'a', after: 'c' }));
    expect(bars()).toHaveLength(1);
    await press('reject');
    expect(document.querySelector('.mm-added-code')!.textContent).toBe('c');
    await press('accept');
    expect(panel.sources[1]).toBe('c');
    expect(states()).toEqual(['proposed', 'proposed', 'rejected', 'accepted']);
  });

  it('follows its cell when it is moved, and is refused when it is deleted', async () => {
    await open('a', 'b');
    await receive(change({ before: 'a', after: 'aa' }));
    panel.content.model!.sharedModel.moveCell(1, 2);
    await settled();
    expect(panel.content.widgets[2]!.node.querySelector('.mm-added-code')!.textContent).toBe('aa');
    expect(bars()).toHaveLength(1);
    panel.content.model!.sharedModel.deleteCell(2);
    await settled();
    expect(bars()).toEqual([]);
    expect(reports().at(-1)).toMatchObject({
      state: 'refused',
      reason: 'The cell is no longer in the notebook.',
    });
  });
});

describe('the structure', () => {
  it('gets a cell where it is proposed, and undo removes it', async () => {
    await open('a', 'b');
    await receive(change({ kind: 'insert', cell: 'new', place: 'cell-1', after: 'x = 1' }));
    expect(panel.sources).toHaveLength(3);
    expect(document.querySelector('.mm-change-code')!.textContent).toBe('x = 1');
    await press('accept');
    expect(panel.sources.slice(1)).toEqual(['a', 'x = 1', 'b']);
    expect(panel.id(2)).toBe('new');
    expect(reports().at(-1)).toMatchObject({ state: 'accepted', source: 'x = 1' });
    undoNotebook();
    expect(panel.sources.slice(1)).toEqual(['a', 'b']);
  });

  it('gets cells that are proposed below each other, in any order', async () => {
    await open('a');
    await receive(
      change({ kind: 'insert', cell: 'x', place: null, after: 'x', cell_type: 'markdown' }),
      change({ kind: 'insert', cell: 'y', place: 'x', after: 'y' }),
    );
    expect(bars()).toHaveLength(2);
    await press('reject');
    await press('accept');
    expect(panel.sources).toEqual(['y', '%load_ext mm_magics', 'a']);
  });

  it('loses a cell, which can be restored', async () => {
    await open('a', 'b');
    await receive(change({ kind: 'delete', before: 'a' }));
    await press('accept');
    expect(panel.sources.slice(1)).toEqual(['b']);
    const { content, place } = reports().at(-1)!;
    expect(content).toMatchObject({ source: 'a', id: 'cell-1' });
    expect(place).toBe('cell-0');
    undoNotebook();
    expect(panel.sources.slice(1)).toEqual(['a', 'b']);
    panel.content.model!.sharedModel.deleteCell(1);
    await receive(
      change({ kind: 'insert', ask: false, after: 'a', content: content!, place: place! }),
    );
    expect(panel.sources.slice(1)).toEqual(['a', 'b']);
    expect(panel.id(1)).toBe('cell-1');
  });

  it.each([
    ['cell-3', ['%load_ext mm_magics', 'b', 'c', 'a']],
    ['cell-2', ['%load_ext mm_magics', 'b', 'a', 'c']],
    ['cell-0', ['%load_ext mm_magics', 'a', 'b', 'c']],
    ['cell-1', ['%load_ext mm_magics', 'a', 'b', 'c']],
    [null, ['a', '%load_ext mm_magics', 'b', 'c']],
  ])('has a cell moved below %s', async (place, expected) => {
    await open('a', 'b', 'c');
    await receive(change({ kind: 'move', before: 'a', place }));
    await press('accept');
    expect(panel.sources).toEqual(expected);
    expect(reports().at(-1)).toMatchObject({ state: 'accepted', place: 'cell-0' });
    expect(panel.content.widgets.map(({ model }) => model.id)).toContain('cell-1');
  });

  it('never loses its last cell without a new one', async () => {
    await open();
    await receive(
      change({ kind: 'delete', cell: 'cell-0', before: '%load_ext mm_magics', ask: false }),
    );
    expect(panel.sources).toEqual(['']);
    undoNotebook();
    expect(panel.sources).toEqual(['%load_ext mm_magics']);
  });
});

describe('running', () => {
  it('runs the cell as JupyterLab does, and reports its outputs', async () => {
    await open({
      source: 'a',
      outputs: [{ output_type: 'stream', name: 'stdout', text: 'hello' }],
    });
    const run = vi.spyOn(NotebookActions, 'runCells').mockResolvedValue(true);
    await receive(change({ kind: 'run', before: 'a' }));
    expect(run).toHaveBeenCalledOnce();
    expect(states()).toEqual(['running', 'ended']);
    expect(reports().at(-1)).toMatchObject({
      outputs: [{ output_type: 'stream', text: 'hello' }],
      execution_count: null,
    });
  });

  it('reports an error', async () => {
    await open({
      source: 'a',
      outputs: [{ output_type: 'error', ename: 'E', evalue: 'e', traceback: [] }],
    });
    const cell = panel.content.widgets[1]!.model as ICodeCellModel;
    vi.spyOn(NotebookActions, 'runCells').mockImplementation(() => {
      cell.executionCount = 3;
      return Promise.resolve(false);
    });
    await receive(change({ kind: 'run', before: 'a' }));
    expect(states()).toEqual(['running', 'failed']);
  });

  it('refuses a cell that JupyterLab does not run, and does not report its earlier outputs', async () => {
    await open({
      source: 'a',
      outputs: [{ output_type: 'error', ename: 'E', evalue: 'e', traceback: [] }],
    });
    vi.spyOn(NotebookActions, 'runCells').mockResolvedValue(false);
    await receive(change({ kind: 'run', before: 'a' }));
    expect(states()).toEqual(['running', 'refused']);
    expect(reports().at(-1)!.reason).toBe('JupyterLab did not run the cell.');
    expect(reports().at(-1)).not.toHaveProperty('outputs');
  });

  it.each([
    [{ before: 'other' }, 'changed after the model read it'],
    [{ cell: 'gone', before: 'a' }, 'no longer in the notebook'],
    [{ cell: 'cell-2', before: 'r' }, 'raw cell'],
  ])('refuses %j', async (fields, reason) => {
    await open('a', { source: 'r', type: 'raw' as 'code' });
    const run = vi.spyOn(NotebookActions, 'runCells');
    await receive(change({ kind: 'run', ...fields }));
    expect(run).not.toHaveBeenCalled();
    expect(reports().at(-1)).toMatchObject({ state: 'refused' });
    expect(reports().at(-1)!.reason).toContain(reason);
  });
});

describe('what is refused', () => {
  it.each<[Partial<NotebookChange>, string]>([
    [{ before: 'x', after: 'y' }, 'changed after'],
    [{ cell: 'gone', before: 'a', after: 'y' }, 'no longer'],
    [{ kind: 'delete', before: 'x' }, 'changed after'],
    [{ kind: 'insert', cell: 'n', place: 'gone', after: 'y' }, 'below which'],
    [{ kind: 'insert', cell: 'cell-1', place: null, after: 'y' }, 'already'],
    [{ kind: 'move', before: 'a', place: 'gone' }, 'below which'],
  ])('%j, whether the user is asked or not', async (fields, reason) => {
    await open('a');
    const before = panel.sources;
    await receive(change(fields), change({ ...fields, ask: false }));
    expect(states()).toEqual(['refused', 'refused']);
    for (const each of reports()) expect(each.reason).toContain(reason);
    expect(panel.sources).toEqual(before);
    expect(bars()).toEqual([]);
  });

  it('every change of a read-only notebook', async () => {
    await open('a');
    panel.content.model!.readOnly = true;
    await receive(
      change({ before: 'a', after: 'b', ask: false }),
      change({ kind: 'insert', cell: 'n', place: null, after: 'b' }),
      change({ kind: 'run', before: 'a' }),
    );
    expect(reports().map(({ reason }) => reason)).toEqual(
      Array(3).fill('The notebook is read-only.'),
    );
  });

  it('a proposal whose cell was edited before it is accepted', async () => {
    await open('a');
    await receive(change({ kind: 'delete', before: 'a' }));
    panel.setSource(1, 'mine');
    await press('accept');
    expect(panel.sources[1]).toBe('mine');
    expect(states()).toEqual(['proposed', 'refused']);
    expect(reports().at(-1)?.source).toBe('mine');
  });

  it('messages that are not changes', async () => {
    await open('a');
    panel.kernel.reply('mm_magics.document', {
      changes: [null, 1, {}, change({ kind: 'edit' }), change({ kind: 'explode' as 'edit' })],
      settled: 3,
    });
    panel.kernel.reply('mm_magics.document', { changes: 'x' });
    await receive(change({ before: 'a', after: 'b' }));
    expect(states()).toEqual(['proposed']);
  });
});

describe('a cell that undo restores', () => {
  const HTML = { output_type: 'display_data', metadata: {}, data: { 'text/html': '<b>x</b>' } };
  const CELL = { cell_type: 'code', source: 'x', metadata: { trusted: true }, outputs: [HTML] };

  const metadata = (at: number): unknown =>
    panel.content.widgets[at]!.model.sharedModel.toJSON().metadata;
  const restore = (content: object, cell: string): NotebookChange =>
    change({
      kind: 'insert',
      cell,
      ask: false,
      after: 'x',
      place: 'cell-0',
      content: content as Record<string, unknown>,
    });

  it('is not trusted, whatever its metadata says', async () => {
    await open();
    await receive(restore({ ...CELL, metadata: { trusted: true, tags: ['t'] } }, 'new'));
    expect(panel.sources[1]).toBe('x');
    expect(metadata(1)).toEqual({ tags: ['t'] });
  });

  it('is as trusted as it was if this page deleted it', async () => {
    await open({ source: 'x', outputs: [HTML] });
    panel.content.widgets[1]!.model.sharedModel.setMetadata('trusted', true);
    await receive(change({ kind: 'delete', before: 'x', ask: false }));
    const { content } = reports().at(-1)!;
    const saved = JSON.parse(JSON.stringify(content)) as typeof CELL;
    expect(saved.metadata).toMatchObject({ trusted: true });
    const other = { ...saved, outputs: [{ ...HTML, data: { 'text/html': '<script>' } }] };
    await receive(restore(other, 'cell-1'));
    expect(metadata(1)).not.toHaveProperty('trusted');
    panel.content.model!.sharedModel.deleteCell(1);
    await receive(restore(saved, 'cell-1'));
    expect(metadata(1)).toMatchObject({ trusted: true });
  });
});

describe('a turn with several changes', () => {
  const changes = (): NotebookChange[] => [
    change({ before: 'a', after: 'A' }),
    change({ kind: 'insert', cell: 'new', place: 'cell-1', after: 'n' }),
    change({ kind: 'edit', cell: 'cell-2', before: 'b', after: 'B', turn: 'other' }),
  ];

  it('accepts all of the turn at once', async () => {
    await open('a', 'b');
    await receive(...changes());
    expect(bars()[0]!.textContent).toContain('Accept all (2)');
    await press('accept-all');
    expect(panel.sources.slice(1)).toEqual(['A', 'n', 'b']);
    expect(bars()).toHaveLength(1);
  });

  it('accepts only what is shown: the second edit of a cell is shown after the first', async () => {
    await open('a');
    await receive(
      change({ before: 'a', after: 'b' }),
      change({ before: 'b', after: 'hidden' }),
      change({ kind: 'insert', cell: 'n', place: null, after: 'n' }),
    );
    await press('accept-all');
    expect(panel.sources).not.toContain('hidden');
  });

  it('shows one edit of a cell at a time', async () => {
    await open('a');
    const [one, two] = [change({ before: 'a', after: 'b' }), change({ before: 'a', after: 'c' })];
    await receive(one, two, change({ kind: 'insert', cell: 'n', place: null, after: 'n' }));
    expect(bars()[0]!.textContent).toContain('Accept all (2)');
    await press('reject-all');
    expect(reports().at(-1)).toMatchObject({ change: 'c2', state: 'rejected' });
    expect(bars()).toHaveLength(1);
    await press('accept');
    expect(panel.sources[1]).toBe('c');
  });

  it('rejects all of the turn at once', async () => {
    await open('a', 'b');
    await receive(...changes());
    await press('reject-all');
    expect(panel.sources.slice(1)).toEqual(['a', 'b']);
    expect(bars()).toHaveLength(1);
  });

  it('is decided by commands, which move the focus to the next change', async () => {
    await open('a', 'b');
    await receive(...changes());
    expect(commands.isEnabled('mm-magics:accept-change')).toBe(false);
    await commands.execute('mm-magics:next-change');
    await settled();
    expect(bars()[0]!.contains(document.activeElement)).toBe(true);
    await commands.execute('mm-magics:accept-change');
    await settled();
    expect(panel.sources.slice(1)).toEqual(['A', 'b']);
    await commands.execute('mm-magics:reject-all-changes');
    await commands.execute('mm-magics:next-change');
    await commands.execute('mm-magics:accept-all-changes');
    await settled();
    expect(panel.sources.slice(1)).toEqual(['A', 'B']);
    expect(commands.isEnabled('mm-magics:next-change')).toBe(false);
    expect(panel.node.querySelector('[role=status]')!.textContent).toBe('Decided.');
  });
});

describe('a change that is sent again', () => {
  it('is shown once, and its decision is reported again', async () => {
    await open('a');
    const edit = change({ before: 'a', after: 'b' });
    await receive(edit);
    await receive(edit);
    expect(bars()).toHaveLength(1);
    await press('accept');
    undoCell(1);
    await receive(edit);
    expect(panel.sources[1]).toBe('a');
    expect(states()).toEqual(['proposed', 'proposed', 'accepted', 'accepted']);
  });

  it('is made at once only the first time', async () => {
    await open('a');
    const edit = change({ before: 'a', after: 'b', ask: false });
    await receive(edit);
    undoCell(1);
    await receive(edit);
    expect(panel.sources[1]).toBe('a');
  });

  it('is removed when it is settled elsewhere', async () => {
    await open('a');
    const edit = change({ before: 'a', after: 'b' });
    await receive(edit);
    panel.kernel.reply('mm_magics.document', { settled: [edit.id, 'unknown'] });
    await settled();
    expect(bars()).toEqual([]);
    expect(panel.sources[1]).toBe('a');
    expect(states()).toEqual(['proposed']);
  });
});
