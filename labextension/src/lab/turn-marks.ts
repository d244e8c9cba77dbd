// What the kernel says of the turns that a notebook shows: which are stale, which were replayed.
// Always true: it stands in the turn's own header and is stored nowhere, since it can be worked out again.
import type { Notebook } from '@jupyterlab/notebook';
import type { JSONObject } from '@lumino/coreutils';
import { isRecord } from '../renderer/turn-state';
import { DRAWN, MARKED } from './mime-renderer';

export class Marks {
  /** By the id of the cell, then of the turn. */
  private marks: JSONObject = {};

  constructor(private readonly notebook: Notebook) {
    notebook.node.addEventListener(DRAWN, ({ target }) => {
      if (target instanceof Element) this.tell(target);
    });
  }

  take(marks: JSONObject): void {
    this.marks = marks;
    for (const turn of this.notebook.node.querySelectorAll('.mm-rendered')) this.tell(turn);
  }

  private tell(turn: Element): void {
    const cell = this.notebook.widgets.find(({ node }) => node.contains(turn));
    const marks = cell && this.marks[cell.model.id];
    turn.dispatchEvent(new CustomEvent(MARKED, { detail: isRecord(marks) ? marks : {} }));
  }
}
