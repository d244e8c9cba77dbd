// Notices that the conversation on the page changes although no cell runs: cells are moved, deleted or restored, and
// answers are cleared or pasted. The kernel then computes the marks of all turns again.
import type { INotebookModel } from '@jupyterlab/notebook';
import { turnRecordsOf } from './prompt-cell';

/** Several changes in a row are reported once, after so long. */
const REPORT_AFTER_MS = 300;

export class ConversationChanges {
  /** The turns of each cell, by id and in order, as the kernel knows them. */
  private known = new Map<string, string>();
  private pending = new Set<string>();
  private reporting = false;
  private reordering = false;

  /**
   * `reordered` is called at once when cells are added, moved or deleted, `changed` later and only if the conversation
   * differs from the one that was described last.
   */
  constructor(
    private readonly model: INotebookModel,
    private readonly reordered: () => void,
    private readonly changed: () => void,
  ) {
    model.cells.changed.connect(() => {
      if (this.reordering) return;
      this.reordering = true;
      // JupyterLab moves a cell by removing and adding it.
      setTimeout(() => {
        this.reordering = false;
        if (!model.isDisposed) this.reordered();
      });
    });
    model.contentChanged.connect(() => {
      this.reportLater();
    });
  }

  /** Remember what was just described to the kernel. It knows the answers of the cells that run. */
  described(pending: Iterable<string>): void {
    this.known = this.conversation();
    this.pending = new Set(pending);
  }

  /** Remember the answers of a cell that has just run: the kernel has made them. */
  executed(id: string): void {
    const turns = this.conversation().get(id);
    if (turns === undefined) return;
    this.known.set(id, turns);
    this.pending.delete(id);
  }

  /** Report what differs from what was described, if anything, after a while. */
  reportLater(): void {
    if (this.reporting) return;
    this.reporting = true;
    setTimeout(() => {
      this.reporting = false;
      if (!this.model.isDisposed && this.differs()) this.changed();
    }, REPORT_AFTER_MS);
  }

  private differs(): boolean {
    const now = this.conversation();
    if ([...now.keys()].join() !== [...this.known.keys()].join()) return true;
    return [...now].some(([id, turns]) => turns !== this.known.get(id) && !this.pending.has(id));
  }

  private conversation(): Map<string, string> {
    return new Map(
      [...this.model.cells].map((cell) => [
        cell.id,
        turnRecordsOf(cell)
          .map(({ id }) => (typeof id === 'string' ? id : ''))
          .join(),
      ]),
    );
  }
}
