// Keeps every answer in the cell that asked for it, wherever the cell is now.
// JupyterLab gives a cell that is moved, restored, pasted, merged or converted a new list of outputs, which no longer
// receives updates. The messages still arrive on this page, so the outputs are corrected here.
import type { ICellModel, ICodeCellModel } from '@jupyterlab/cells';
import type { NotebookPanel } from '@jupyterlab/notebook';
import { KernelMessage } from '@jupyterlab/services';
import { MIME_TYPE } from '../protocol';
import { isRecord } from '../renderer/turn-state';
import { liveTurn } from './live-turns';
import { isCodeCell, turnRecordIn } from './prompt-cell';
import { requestId, RunningCells } from './running-cells';

type Output = Parameters<ICodeCellModel['outputs']['add']>[0];
type Data = Readonly<Record<string, unknown>>;

const WIDGET_TYPE = 'application/vnd.jupyter.widget-view+json';
/** How many turns that have ended are remembered: a cell that is pasted or restored may show the turn as it streamed. */
const REMEMBERED_TURNS = 100;

interface Turn {
  readonly id: string;
  readonly request: string;
  readonly notebook: object;
  /** The cell that asked. */
  readonly cell: string;
  /** The id of the display that is updated when the turn ends. */
  readonly display: unknown;
  output: Output;
  /** Whether `output` is the final bundle. */
  ended: boolean;
  /** Nothing more is done for the cell of a settled turn: its answer is in it, or the cell was run again. */
  settled: boolean;
}

/** The turns of all notebooks on this page, by id: a cell can be pasted into another notebook. */
const turns = new Map<string, Turn>();

/** Whether this is the final bundle of a turn, not the turn as it streams, or as far as this page saved it. */
export function isFinal(data: Data, metadata: Data): boolean {
  const ours = metadata[MIME_TYPE];
  return !(WIDGET_TYPE in data) && !(isRecord(ours) && 'partial' in ours);
}

function idOf(record: unknown): string | null {
  return isRecord(record) && typeof record['id'] === 'string' ? record['id'] : null;
}

function showsTurn({ outputs }: ICodeCellModel, id: string): boolean {
  for (let at = 0; at < outputs.length; at++)
    if (idOf(turnRecordIn(outputs.get(at))) === id) return true;
  return false;
}

function forgetOldTurns(): void {
  const ended = [...turns.values()].filter((turn) => turn.ended);
  for (const { id } of ended.slice(0, -REMEMBERED_TURNS)) turns.delete(id);
}

/** Forget a turn that a kernel does not complete: it is gone, or its cell has ended without it. */
function forgetLost(turn: Turn): void {
  const live = liveTurn(turn.id);
  if (!turn.ended && (!live?.isRunning || live.isLost)) turns.delete(turn.id);
}

export class AnswerPlaces {
  /** One for each view of a notebook. */
  private static readonly all = new Set<AnswerPlaces>();

  private readonly running: RunningCells;
  /** The new cell that a cell became a part of while it ran, by id. */
  private readonly successors = new Map<string, string>();
  private added: ICellModel[] = [];
  private scheduled = false;

  constructor(private readonly panel: NotebookPanel) {
    this.running = RunningCells.of(panel.sessionContext);
    panel.sessionContext.iopubMessage.connect((_, message) => {
      this.receive(message);
    });
    this.running.ended.connect((_, { request }) => {
      for (const turn of turns.values()) if (turn.request === request) forgetLost(turn);
    });
    panel.content.model?.cells.changed.connect((_, change) => {
      this.cellsChanged(change.type, change.newValues);
    });
    AnswerPlaces.all.add(this);
    panel.disposed.connect(() => AnswerPlaces.all.delete(this));
  }

  private receive(message: KernelMessage.IMessage): void {
    if (!KernelMessage.isDisplayDataMsg(message) && !KernelMessage.isUpdateDisplayDataMsg(message))
      return;
    const { data, metadata } = message.content;
    const id = idOf(data[MIME_TYPE]);
    // Of several pages that share a kernel, only the one that ran the cell changes the notebook.
    if (id === null || !this.isOwn(message)) return;
    const request = requestId(message);
    const cell = (data[MIME_TYPE] as Record<string, unknown>)['cell_id'];
    const asked = this.running.cellOf(request) ?? cell;
    // A turn can be displayed again in another cell, whose output is like any other.
    if (typeof cell !== 'string' || asked !== cell) return;
    const output = { output_type: 'display_data', data, metadata } as Output;
    const ended = isFinal(data, metadata);
    const display = message.content.transient?.display_id;
    // If nothing was received, the earlier answer is shown again.
    for (const other of turns.values())
      if (ended && other.id !== id && display !== undefined && other.display === display)
        turns.delete(other.id);
    const known = turns.get(id);
    if (known) Object.assign(known, { output, ended });
    else
      turns.set(id, {
        id,
        request,
        notebook: this.panel.context,
        cell,
        display,
        output,
        ended,
        settled: false,
      });
    if (ended) forgetOldTurns();
    for (const places of AnswerPlaces.all) places.correctLater();
  }

  private isOwn({ parent_header: parent }: KernelMessage.IMessage): boolean {
    const kernel = this.panel.sessionContext.session?.kernel;
    return kernel != null && 'session' in parent && parent.session === kernel.clientId;
  }

  private cellsChanged(type: string, newValues: readonly ICellModel[]): void {
    if (turns.size === 0) return;
    if (type === 'add') for (const cell of newValues) this.added.push(cell);
    this.correctLater();
  }

  /** Correct the outputs once JupyterLab has handled the same message or change. */
  private correctLater(): void {
    if (this.scheduled) return;
    this.scheduled = true;
    setTimeout(() => {
      this.scheduled = false;
      const added = this.added.splice(0);
      if (!this.panel.isDisposed) this.correct(added);
    });
  }

  private correct(added: readonly ICellModel[]): void {
    const all = [...(this.panel.content.model?.cells ?? [])];
    const cells = new Map(all.map((cell) => [cell.id, cell]));
    for (const cell of all) if (isCodeCell(cell)) finishOutputs(cell);
    const open = [...turns.values()].filter(
      (turn) => !turn.settled && turn.notebook === this.panel.context,
    );
    for (const id of new Set([...this.running.ids, ...open.map(({ cell }) => cell)]))
      this.follow(id, cells, added);
    for (const turn of open) {
      if (liveTurn(turn.id)?.isLost) forgetLost(turn);
      else this.showInCell(turn, cells);
    }
  }

  private showInCell(turn: Turn, cells: ReadonlyMap<string, ICellModel>): void {
    const cell = this.currentCell(turn.cell, cells);
    if (!cell || !isCodeCell(cell)) return;
    if (this.running.hasOtherRequest(cell.id, turn.request) || wasAskedAgain(turn)) {
      turn.settled = true;
      return;
    }
    if (!showsTurn(cell, turn.id)) cell.outputs.add(turn.output);
    if (turn.ended) turn.settled = true;
  }

  /** Find the new cell that a running cell was merged into, or that replaces it under another id. */
  private follow(
    id: string,
    cells: ReadonlyMap<string, ICellModel>,
    added: readonly ICellModel[],
  ): void {
    const cell = this.currentCell(id, cells);
    if (cell) {
      this.running.followSource(cell);
      return;
    }
    const last = this.successorsOf(id).at(-1) ?? id;
    const source = this.running.sourceOf(last).trim();
    const successor = added.find(
      (each) =>
        cells.get(each.id) === each &&
        isCodeCell(each) &&
        each.sharedModel.getSource().includes(source),
    );
    if (!source || !successor) return;
    this.successors.set(last, successor.id);
    this.running.followSource(successor);
  }

  /** Return the cell, or the one that it became a part of. An edit that is undone brings the cell back. */
  private currentCell(id: string, cells: ReadonlyMap<string, ICellModel>): ICellModel | undefined {
    return [id, ...this.successorsOf(id)]
      .map((each) => cells.get(each))
      .findLast((cell) => cell !== undefined);
  }

  private successorsOf(id: string): string[] {
    const found: string[] = [];
    for (let next = this.successors.get(id); next; next = this.successors.get(next))
      if (found.includes(next)) break;
      else found.push(next);
    return found;
  }
}

/** Whether a later run of the cell has a turn, so that the cell has no room for this one. */
function wasAskedAgain({ cell, request, id }: Turn): boolean {
  const all = [...turns.values()];
  const later = all.slice(all.findIndex((turn) => turn.id === id) + 1);
  return later.some((turn) => turn.cell === cell && turn.request !== request);
}

/** Replace the outputs that show a turn as it streamed, if it has ended. */
function finishOutputs({ outputs }: ICodeCellModel): void {
  for (let at = 0; at < outputs.length; at++) {
    const output = outputs.get(at);
    const turn = turns.get(idOf(turnRecordIn(output)) ?? '');
    if (turn?.ended && !isFinal(output.data, output.metadata)) outputs.set(at, turn.output);
  }
}
