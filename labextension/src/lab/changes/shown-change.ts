// Shows a proposed change at a cell: an edit as a diff in its editor, with a bar below it, the others as a bar.
import type { Cell, ICellModel } from '@jupyterlab/cells';
import type { CodeMirrorEditor } from '@jupyterlab/codemirror';
import type { TranslationBundle } from '@jupyterlab/translation';
import { PanelLayout } from '@lumino/widgets';
import type { NotebookChange } from '../../protocol-changes';
import { fill } from '../../renderer/strings';
import { CellDiff } from './cell-diff';
import { ChangeBar, ChangeNote, type Decision } from './change-bar';
import { codeNodes } from './code-nodes';

export interface Handlers {
  readonly decide: (decision: Decision) => void;
  /** Called when the text of the cell has changed while an edit of it is shown. */
  readonly edited: () => void;
  /** Return the number of the cell below which the cell is moved, from 1; 0 for the top. */
  readonly placeNumber: () => number;
}

/** A Markdown cell. */
interface Renderable extends Cell {
  rendered: boolean;
}

export class ShownChange {
  private readonly bar: ChangeBar;
  private diff: CellDiff | null = null;
  private count = 1;
  private wasRendered = false;
  private isDisposed = false;
  private readonly shared: ICellModel['sharedModel'];

  constructor(
    private readonly change: NotebookChange,
    readonly cell: Cell,
    /** Whether the bar is above the cell. */
    private readonly isAbove: boolean,
    private readonly trans: TranslationBundle,
    private readonly handlers: Handlers,
  ) {
    const { kind, after } = change;
    this.shared = cell.model.sharedModel;
    const code = kind === 'insert' ? codeNodes(this.stateFor(), after ?? '') : null;
    this.bar = new ChangeBar(code, trans, handlers.decide);
    if (kind === 'edit') this.shared.changed.connect(this.onChanged);
    void cell.ready.then(() => {
      this.show();
    });
  }

  /** The buttons, which are not on the page before the cell is. */
  get buttons(): HTMLElement {
    return this.bar.buttons;
  }

  /** The text that the user accepts of an edit. */
  get text(): string | undefined {
    return this.diff?.text;
  }

  /** Show what is proposed, and how many changes of its turn wait for a decision. */
  describe(count: number): void {
    this.count = count;
    this.bar.describe(this.description, count);
  }

  focus(): void {
    this.bar.focus();
  }

  /** Remove the change because the user has edited the cell, and say so, unless `note` is ''. */
  withdraw(note: string): void {
    const layout = this.cell.layout as PanelLayout;
    const at = layout.widgets.indexOf(this.bar);
    // The editor is in the middle of the edit, and stays open.
    this.wasRendered = false;
    this.dispose();
    if (note && at >= 0) layout.insertWidget(at, new ChangeNote(note, this.trans));
  }

  dispose(): void {
    if (this.isDisposed) return;
    this.isDisposed = true;
    this.shared.changed.disconnect(this.onChanged);
    if (!this.cell.isDisposed) {
      this.diff?.dispose();
      if (this.wasRendered) (this.cell as Renderable).rendered = true;
    }
    this.bar.dispose();
  }

  private get description(): string {
    const { trans } = this;
    switch (this.change.kind) {
      case 'edit': {
        const { added = 0, removed = 0 } = this.diff?.size ?? {};
        return fill(trans.__('MiniMax proposes to edit this cell: +{added} −{removed} lines.'), {
          added,
          removed,
        });
      }
      case 'insert':
        return this.change.cell_type === 'markdown'
          ? trans.__('MiniMax proposes to insert a Markdown cell here:')
          : trans.__('MiniMax proposes to insert a code cell here:');
      case 'move': {
        const number = this.handlers.placeNumber();
        return number === 0
          ? trans.__('MiniMax proposes to move this cell to the top.')
          : fill(trans.__('MiniMax proposes to move this cell below cell {number}.'), { number });
      }
      default:
        return trans.__('MiniMax proposes to delete this cell.');
    }
  }

  private show(): void {
    const { cell } = this;
    if (this.isDisposed || cell.isDisposed) return;
    const layout = cell.layout as PanelLayout;
    const input = layout.widgets.findIndex((each) => each.hasClass('jp-Cell-inputWrapper'));
    const first = layout.widgets.findIndex((each) => !each.hasClass('mm-change'));
    const last = layout.widgets.length;
    if (this.change.kind === 'insert') layout.insertWidget(this.isAbove ? first : last, this.bar);
    else layout.insertWidget(input + 1, this.bar);
    if (this.change.kind === 'edit') this.showDiff();
    this.describe(this.count);
  }

  private showDiff(): void {
    const { cell, trans } = this;
    if (cell.model.type === 'markdown') {
      const markdown = cell as Renderable;
      this.wasRendered = markdown.rendered;
      markdown.rendered = false;
    }
    cell.inputHidden = false;
    const view = (cell.editor as CodeMirrorEditor | null)?.editor;
    if (!view) return;
    const texts = { added: trans.__('Added lines'), keepOld: trans.__('Keep the old lines') };
    this.diff = new CellDiff(view, this.change.after ?? '', texts, () => {
      if (this.diff?.size.added === 0 && this.diff.size.removed === 0) {
        this.handlers.decide('reject');
        return;
      }
      this.describe(this.count);
      // The button is gone, and the focus with it.
      (view.dom.querySelector<HTMLElement>('.mm-keep-old') ?? this.bar).focus();
    });
  }

  private readonly onChanged = (_: unknown, change: { sourceChange?: unknown }): void => {
    if (!change.sourceChange) return;
    // The editor is updated first.
    queueMicrotask(() => {
      if (!this.isDisposed) this.handlers.edited();
    });
  };

  /** The state of an editor whose language and style code to insert has: that of a cell of the notebook. */
  private stateFor() {
    const isSame = this.cell.model.type === (this.change.cell_type ?? 'code');
    const editor = this.cell.editor as CodeMirrorEditor | null;
    return isSame && editor ? editor.editor.state : null;
  }
}
