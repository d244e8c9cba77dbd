// The changes of one notebook that a model requests: shows those that wait for the user, makes the others, and reports to
// the kernel what became of each. A change is made once, however often the kernel sends it.
import type { Cell, ICellModel } from '@jupyterlab/cells';
import { NotebookActions, type INotebookModel, type NotebookPanel } from '@jupyterlab/notebook';
import type { TranslationBundle } from '@jupyterlab/translation';
import type { ChangeMessage, NotebookChange } from '../../protocol-changes';
import { element, setText } from '../../renderer/element';
import { reducedOutputs } from '../describe-notebook';
import { activateCell } from '../insert-cells';
import { runningTurnsOf } from '../live-turns';
import { isCodeCell } from '../prompt-cell';
import { RunningCells } from '../running-cells';
import { applyChange, cellOf, obstacleTo, type Outcome, type Target } from './apply-change';
import type { Decision } from './change-bar';
import { checkedChange } from './checked-change';
import { NextChangeButton } from './next-change-button';
import { ShownChange } from './shown-change';

interface Entry {
  readonly change: NotebookChange;
  /** What was reported last. */
  message: ChangeMessage | null;
  shown: ShownChange | null;
}

type Result = Omit<ChangeMessage, 'type' | 'change'>;

export class NotebookChanges {
  private readonly entries = new Map<string, Entry>();
  private readonly target: Target;
  private readonly status = element('div', 'mm-visually-hidden');
  private readonly nextButton: NextChangeButton;
  private isUpdating = false;

  constructor(
    private readonly panel: NotebookPanel,
    model: INotebookModel,
    private readonly report: (message: ChangeMessage) => void,
    private readonly trans: TranslationBundle,
  ) {
    const { context, sessionContext } = panel;
    const running = RunningCells.of(sessionContext);
    const isAnswering = (cell: string): boolean =>
      runningTurnsOf(cell, sessionContext.session?.kernel?.id).length > 0;
    this.target = {
      model,
      get isReadOnly() {
        return model.readOnly || context.contentsModel?.writable === false;
      },
      isAnswering,
      isBusy: (cell) => running.ids.has(cell) || isAnswering(cell),
      resolve: (place) => this.resolve(place),
      deleted: (cell) => this.deletedCell(cell),
    };
    this.status.setAttribute('role', 'status');
    panel.node.append(this.status);
    this.nextButton = new NextChangeButton(panel.node, trans, () => {
      void this.goToNext();
    });
    model.cells.changed.connect(() => {
      this.updateLater();
    });
  }

  /** Receive what the kernel sent. Nothing of it has been checked. */
  receive(changes: unknown, settled: unknown): void {
    for (const id of Array.isArray(settled) ? (settled as unknown[]) : []) {
      const entry = this.entries.get(String(id));
      if (entry && isOpen(entry)) this.close(entry, null);
    }
    for (const each of Array.isArray(changes) ? (changes as unknown[]) : []) {
      const change = checkedChange(each);
      if (change) this.begin(change);
      else console.debug('mm_magics: the kernel sent a malformed change');
    }
    this.update();
  }

  /** The changes that wait for a decision, in the order of the notebook. */
  get open(): NotebookChange[] {
    return this.openEntries().map(({ change }) => change);
  }

  /** Decide about the changes of a cell, or about all of its turn. */
  decideActive(decision: Decision): void {
    const cell = this.panel.content.activeCell;
    const entry = this.openEntries().find(({ shown }) => shown?.cell === cell);
    if (entry) this.decide(entry, decision);
  }

  /** Whether a change in the active cell waits for a decision. */
  get isActive(): boolean {
    const cell = this.panel.content.activeCell;
    return cell !== null && this.openEntries().some(({ shown }) => shown?.cell === cell);
  }

  /** Move the focus to the next change below the active cell, or to the first one. */
  async goToNext(): Promise<void> {
    const { content } = this.panel;
    const found = this.openEntries();
    const below = found.find((entry) => this.positionOf(entry) > content.activeCellIndex);
    await this.goTo(below ?? found[0]);
  }

  private async goTo(entry: Entry | undefined): Promise<void> {
    const cell = entry && this.hostOf(entry.change);
    if (!cell) return;
    await activateCell(this.panel.content, this.panel.content.widgets.indexOf(cell));
    this.update();
    entry.shown?.focus();
  }

  private begin(change: NotebookChange): void {
    const known = this.entries.get(change.id);
    if (known) {
      if (known.message) this.report(known.message);
      return;
    }
    const entry: Entry = { change, message: null, shown: null };
    this.entries.set(change.id, entry);
    const isMoot = change.kind === 'edit' && this.sourceOf(change.cell) === change.after;
    if (!change.ask || change.kind === 'run' || isMoot) this.make(entry);
    else if (!this.refuse(entry)) this.tell(entry, { state: 'proposed', reason: '' });
  }

  private sourceOf(cell: string): string | undefined {
    return cellOf(this.target.model, cell)?.sharedModel.getSource();
  }

  /** Make a change, unless there is an obstacle. `text` is what the user has accepted of an edit. */
  private make(entry: Entry, text?: string): void {
    if (this.refuse(entry)) return;
    const { change } = entry;
    if (change.kind === 'run') {
      void this.run(entry);
      return;
    }
    this.removeShown(entry);
    let outcome: Outcome;
    try {
      outcome = applyChange(change, this.target, text);
    } catch (error) {
      console.debug('mm_magics: a change could not be made', error);
      this.tell(entry, { state: 'refused', reason: 'The page could not make the change.' });
      return;
    }
    this.tell(entry, { state: 'accepted', reason: '', ...outcome });
  }

  private refuse(entry: Entry): boolean {
    const reason = obstacleTo(entry.change, this.target);
    if (!reason) return false;
    this.close(entry, { state: 'refused', reason });
    return true;
  }

  private async run(entry: Entry): Promise<void> {
    const { content, sessionContext } = this.panel;
    const { cell: id } = entry.change;
    const widget = content.widgets.find(({ model }) => model.id === id);
    if (!widget) return;
    this.tell(entry, { state: 'running', reason: '' });
    const countBefore = executionCountOf(widget.model);
    const scheduled = new Set<Cell>();
    const noteScheduled = (_: unknown, { cell }: { cell: Cell }): void => {
      scheduled.add(cell);
    };
    NotebookActions.executionScheduled.connect(noteScheduled);
    let isDone = false;
    try {
      isDone = await NotebookActions.runCells(content, [widget], sessionContext);
    } catch (error) {
      console.debug('mm_magics: a cell could not be run', error);
    } finally {
      NotebookActions.executionScheduled.disconnect(noteScheduled);
    }
    // For example, JupyterLab runs no cell while another one waits for input.
    if (!isDone && !scheduled.has(widget) && executionCountOf(widget.model) === countBefore) {
      this.tell(entry, { state: 'refused', reason: 'JupyterLab did not run the cell.' });
      return;
    }
    const model = cellOf(this.target.model, id);
    const outputs = model ? reducedOutputs(model) : [];
    const isError = outputs.some(({ output_type }) => output_type === 'error');
    this.tell(entry, {
      state: isDone && !isError ? 'ended' : 'failed',
      reason: '',
      outputs,
      execution_count: model ? executionCountOf(model) : null,
    });
  }

  private decide(entry: Entry, decision: Decision): void {
    const hadFocus = this.panel.node.contains(document.activeElement);
    const { turn } = entry.change;
    const isOne = decision === 'accept' || decision === 'reject';
    // In the order of the turn: a later change can depend on an earlier one.
    const decided = isOne
      ? [entry]
      : [...this.entries.values()].filter((each) => isShown(each) && each.change.turn === turn);
    const position = this.positionOf(entry);
    for (const each of decided)
      if (decision.startsWith('accept')) this.make(each, each.shown?.text);
      else this.close(each, { state: 'rejected', reason: '' });
    this.update();
    this.announce(decided);
    if (hadFocus) void this.focusAfter(position);
  }

  /** Move the focus to the next change, or to the cell after the last one. */
  private async focusAfter(position: number): Promise<void> {
    const { content } = this.panel;
    const open = this.openEntries();
    const next = open.find((entry) => this.positionOf(entry) >= position) ?? open[0];
    if (next) {
      await this.goTo(next);
      return;
    }
    content.activeCellIndex = Math.min(position, content.widgets.length - 1);
    content.mode = 'command';
    content.activate();
  }

  private announce(decided: readonly Entry[]): void {
    const { trans } = this;
    const count = this.openEntries().length;
    const refused = decided.map(({ message }) => message?.reason).filter(Boolean);
    const left = count > 0 ? [trans.__('Proposed changes left:'), `${String(count)}.`] : [];
    setText(this.status, [trans.__('Decided.'), ...refused, ...left].join(' '));
  }

  private close(entry: Entry, result: Result | null): void {
    this.removeShown(entry);
    if (result) this.tell(entry, result);
    else entry.message = { type: 'change', change: entry.change.id, state: 'rejected', reason: '' };
  }

  private removeShown(entry: Entry): void {
    entry.shown?.dispose();
    entry.shown = null;
  }

  private tell(entry: Entry, result: Result): void {
    const { id, cell } = entry.change;
    // The kernel has no other way to learn what the user has typed since the model read the cell.
    const source = result.state === 'refused' ? this.sourceOf(cell) : undefined;
    const more = source === undefined ? {} : { source };
    entry.message = { type: 'change', change: id, ...result, ...more };
    this.report(entry.message);
  }

  private openEntries(): Entry[] {
    const open = [...this.entries.values()].filter(isOpen);
    return open
      .map((entry) => ({ entry, at: this.positionOf(entry) }))
      .sort((a, b) => a.at - b.at)
      .map(({ entry }) => entry);
  }

  private positionOf({ change }: Entry): number {
    const cell = this.hostOf(change);
    return cell ? this.panel.content.widgets.indexOf(cell) : -1;
  }

  /** Return the cell at which a change is shown. */
  private hostOf({ kind, cell, place = null }: NotebookChange): Cell | undefined {
    const { widgets } = this.panel.content;
    if (kind !== 'insert') return widgets.find(({ model }) => model.id === cell);
    const above = this.resolve(place);
    if (above === null) return widgets[0];
    return widgets.find(({ model }) => model.id === above);
  }

  /** Return the number of a cell, from 1; 0 without one. */
  private numberOf(cell: string | null | undefined): number {
    return this.panel.content.widgets.findIndex(({ model }) => model.id === cell) + 1;
  }

  /** A cell that is not in the notebook, because it is only proposed or was rejected, stands for the place where it belongs. */
  private resolve(place: string | null): string | null | undefined {
    const passed = new Set<string>();
    for (let at = place; ;) {
      if (at === null || cellOf(this.target.model, at)) return at;
      if (passed.has(at)) return undefined;
      passed.add(at);
      const id: string = at;
      const entries = [...this.entries.values()];
      const proposed = entries.find(({ change }) => change.kind === 'insert' && change.cell === id);
      if (!proposed) return undefined;
      at = proposed.change.place ?? null;
    }
  }

  private deletedCell(cell: string): ChangeMessage['content'] {
    const of = [...this.entries.values()].filter(({ change }) => change.cell === cell);
    return of.map(({ message }) => message?.content).findLast((content) => content !== undefined);
  }

  /** A cell that is moved is removed first, and then inserted. */
  private updateLater(): void {
    if (this.isUpdating) return;
    this.isUpdating = true;
    setTimeout(() => {
      this.isUpdating = false;
      if (!this.panel.isDisposed) this.update();
    });
  }

  /** Show each open change at its cell. Of several edits of a cell the first is shown in it. */
  private update(): void {
    const edited = new Set<string>();
    for (const entry of this.openEntries()) {
      const { change } = entry;
      if (this.refuse(entry)) continue;
      const cell = this.hostOf(change);
      if (!cell || (change.kind === 'edit' && edited.has(change.cell))) continue;
      if (change.kind === 'edit') edited.add(change.cell);
      if (entry.shown?.cell === cell) continue;
      this.removeShown(entry);
      const isTop = change.kind === 'insert' && this.resolve(change.place ?? null) === null;
      entry.shown = new ShownChange(change, cell, isTop, this.trans, {
        decide: (decision) => {
          this.decide(entry, decision);
        },
        edited: () => {
          this.withdraw(entry, cell);
        },
        placeNumber: () => this.numberOf(this.resolve(change.place ?? null)),
      });
    }
    const open = this.openEntries().filter(isShown);
    for (const { change, shown } of open)
      shown?.describe(open.filter((each) => each.change.turn === change.turn).length);
    this.nextButton.update(open.flatMap(({ shown }) => (shown ? [shown.buttons] : [])));
  }

  /** The text of the cell has changed while an edit is proposed. */
  private withdraw(entry: Entry, cell: Cell): void {
    if (!isOpen(entry)) return;
    // Another page of a shared notebook has accepted it.
    const isAccepted = cell.model.sharedModel.getSource() === entry.change.after;
    const reason = 'The cell was edited while the change was proposed.';
    const shown = entry.shown;
    entry.shown = null;
    shown?.withdraw(
      isAccepted ? '' : this.trans.__('You edited the cell, so the proposed change was withdrawn.'),
    );
    this.close(entry, isAccepted ? null : { state: 'refused', reason });
    this.update();
  }
}

function executionCountOf(model: ICellModel): number | null {
  return isCodeCell(model) ? model.executionCount : null;
}

function isOpen({ message }: Entry): boolean {
  return message === null || message.state === 'proposed';
}

/** The user decides only about what the page shows: of several edits of a cell, about the first. */
function isShown(entry: Entry): boolean {
  return isOpen(entry) && entry.shown !== null;
}
