// Shows which turns of a notebook are stale, were replayed or removed, as the kernel reports it, and which cells were
// edited since they were answered.
// A mark is shown in the header of its turn and never saved, because it can be computed at any time.
import type { Cell, ICellModel } from '@jupyterlab/cells';
import type { Notebook } from '@jupyterlab/notebook';
import type { Mark } from '../protocol';
import { isRecord } from '../renderer/turn-state';
import { isEdited } from './edits';
import { TURN_DRAWN, TURN_MARKED } from './mime-renderer';
import { cellAt } from './open-notebooks';
import { turnRecordsOf } from './prompt-cell';

type Marks = Record<string, unknown>;

export class TurnMarks {
  /** What the kernel reported, by cell id, then by turn id. */
  private marks: Readonly<Marks> = {};
  private readonly watched = new WeakSet<ICellModel>();
  /** The marks of the turns in each watched cell, until its content changes. */
  private details = new WeakMap<ICellModel, Marks>();

  constructor(private readonly notebook: Notebook) {
    notebook.node.addEventListener(TURN_DRAWN, ({ target }) => {
      const cell = target instanceof Element ? cellAt(this.notebook, target) : undefined;
      if (!cell) return;
      this.watch(cell);
      target?.dispatchEvent(this.marking(cell.model));
    });
    for (const cell of notebook.widgets) {
      this.watch(cell);
      this.markTurns(cell);
    }
  }

  /** Replace all marks of the kernel. */
  update(marks: Readonly<Marks>): void {
    this.marks = marks;
    this.details = new WeakMap();
    for (const cell of this.notebook.widgets) this.markTurns(cell);
  }

  /** Whether an answer in the cell is stale, or the cell was edited since. */
  isOutdated(model: ICellModel): boolean {
    const marks = Object.values(this.marksOf(model)).flat();
    return marks.includes('stale') || marks.includes('edited');
  }

  /** Whether the kernel reported this mark of a turn. */
  has(mark: Mark, model: ICellModel, turn: unknown): boolean {
    const marks = typeof turn === 'string' ? this.marksOf(model)[turn] : undefined;
    return Array.isArray(marks) && marks.includes(mark);
  }

  /** Mark the turns of a cell again whenever its source changes. */
  private watch(cell: Cell): void {
    const { model } = cell;
    if (this.watched.has(model)) return;
    this.watched.add(model);
    this.details.delete(model);
    model.contentChanged.connect(() => {
      this.details.delete(model);
      if (!cell.isDisposed) this.markTurns(cell);
    });
  }

  private markTurns(cell: Cell): void {
    const turns = cell.node.querySelectorAll('.mm-rendered');
    for (const turn of turns) turn.dispatchEvent(this.marking(cell.model));
  }

  /** Return the event that marks a turn of the cell. */
  private marking(model: ICellModel): Event {
    const detail = this.details.get(model) ?? this.marksOf(model);
    this.details.set(model, detail);
    return new CustomEvent(TURN_MARKED, { detail });
  }

  /** Return the marks of the turns in a cell, by turn id. */
  private marksOf(model: ICellModel): Marks {
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
    return detail;
  }
}
