// Shows which turns of a notebook are stale or were replayed, as the kernel reports it.
// A mark is shown in the header of its turn and never saved, because the kernel can compute it at any time.
import type { Notebook } from '@jupyterlab/notebook';
import { isRecord } from '../renderer/turn-state';
import { TURN_DRAWN, TURN_MARKED } from './mime-renderer';

export class TurnMarks {
  /** By cell id, then by turn id. */
  private marks: Readonly<Record<string, unknown>> = {};

  constructor(private readonly notebook: Notebook) {
    notebook.node.addEventListener(TURN_DRAWN, ({ target }) => {
      if (target instanceof Element) this.markTurn(target);
    });
  }

  /** Replace all marks. */
  update(marks: Readonly<Record<string, unknown>>): void {
    this.marks = marks;
    for (const turn of this.notebook.node.querySelectorAll('.mm-rendered')) this.markTurn(turn);
  }

  private markTurn(turn: Element): void {
    const cell = this.notebook.widgets.find(({ node }) => node.contains(turn));
    const marks = cell && this.marks[cell.model.id];
    turn.dispatchEvent(new CustomEvent(TURN_MARKED, { detail: isRecord(marks) ? marks : {} }));
  }
}
