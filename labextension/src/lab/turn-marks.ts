// Shows which turns of a notebook are stale, were replayed or removed, as the kernel reports it, and which cells were
// edited since they were answered.
// A mark is shown in the header of its turn and never saved, because it can be computed at any time.
import type { Cell, ICellModel } from '@jupyterlab/cells';
import type { Notebook } from '@jupyterlab/notebook';
import type { Mark } from '../protocol';
import { isRecord } from '../renderer/turn-state';
import { isEdited } from './edits';
import { TURN_DRAWN, TURN_MARKED } from './mime-renderer';
import { turnRecordsOf } from './prompt-cell';

type Marks = Record<string, unknown>;

export class TurnMarks {
  /** What the kernel reported, by cell id, then by turn id. */
  private marks: Readonly<Marks> = {};
  private readonly watched = new WeakSet<ICellModel>();

  constructor(private readonly notebook: Notebook) {
    notebook.node.addEventListener(TURN_DRAWN, ({ target }) => {
      const cell = this.notebook.widgets.find(({ node }) => node.contains(target as Node));
      if (!cell) return;
      this.watch(cell.model);
      if (target instanceof Element) this.markTurn(target, cell);
    });
    for (const cell of notebook.widgets) {
      this.watch(cell.model);
      this.markTurns(cell);
    }
  }

  /** Replace all marks of the kernel. */
  update(marks: Readonly<Marks>): void {
    this.marks = marks;
    for (const cell of this.notebook.widgets) this.markTurns(cell);
  }

  /** Mark the turns of a cell again whenever its source changes. */
  private watch(model: ICellModel): void {
    if (this.watched.has(model)) return;
    this.watched.add(model);
    model.contentChanged.connect(() => {
      const cell = this.notebook.widgets.find((each) => each.model === model);
      if (cell) this.markTurns(cell);
    });
  }

  private markTurns(cell: Cell): void {
    for (const turn of cell.node.querySelectorAll('.mm-rendered')) this.markTurn(turn, cell);
  }

  private markTurn(turn: Element, { model }: Cell): void {
    const detail: Marks = {
      ...(isRecord(this.marks[model.id]) ? (this.marks[model.id] as Marks) : {}),
    };
    const source = model.sharedModel.getSource();
    for (const record of turnRecordsOf(model)) {
      const id = record['id'];
      if (typeof id !== 'string' || !isEdited(source, record)) continue;
      const edited: Mark = 'edited';
      detail[id] = [...(Array.isArray(detail[id]) ? (detail[id] as unknown[]) : []), edited];
    }
    turn.dispatchEvent(new CustomEvent(TURN_MARKED, { detail }));
  }
}
