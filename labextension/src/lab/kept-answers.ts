// Keeps the answer of a cell that runs without being answered. JupyterLab clears the outputs of every cell that is queued;
// then an error above it, an interrupt or the end of the kernel cancels it, or IPython refuses the prompt. Without a
// kernel, JupyterLab clears the cell and does nothing else.
import type { ICellModel, ICodeCellModel } from '@jupyterlab/cells';
import { NotebookActions, type NotebookPanel } from '@jupyterlab/notebook';
import { KernelMessage } from '@jupyterlab/services';
import { Signal } from '@lumino/signaling';
import { MIME_TYPE } from '../protocol';
import { isRecord } from '../renderer/turn-state';
import { isCodeCell, isPrompt, runsPrompts, turnRecordsOf } from './prompt-cell';
import { requestId, RunningCells } from './running-cells';

type Output = Parameters<ICodeCellModel['outputs']['add']>[0];

/** What a cell showed when it was queued. */
interface Kept {
  outputs: readonly Output[];
  readonly isTrusted: boolean;
  /** The requests that the kernel has begun to handle. */
  readonly started: Set<string>;
}

const hasTurn = ({ data }: Output): boolean => isRecord(data) && isRecord(data[MIME_TYPE]);

export class KeptAnswers {
  private readonly kept = new Map<string, Kept>();
  /** What cells showed before they were cleared while the notebook had no kernel. */
  private readonly cleared = new Map<ICodeCellModel, Omit<Kept, 'started'>>();
  private readonly watched = new WeakSet<ICellModel>();
  private readonly running: RunningCells;

  constructor(private readonly panel: NotebookPanel) {
    this.running = RunningCells.of(panel.sessionContext);
    this.running.queued.connect((_, { model }) => {
      if (isCodeCell(model)) this.keep(model);
    });
    this.running.ended.connect((_, { cell, request }) => {
      this.restore(cell, request);
    });
    panel.sessionContext.iopubMessage.connect((_, message) => {
      this.receive(message);
    });
    this.keepWithoutKernel();
  }

  private keepWithoutKernel(): void {
    const { content, sessionContext } = this.panel;
    const watch = (cells: Iterable<ICellModel>): void => {
      for (const cell of cells) if (isCodeCell(cell)) this.watch(cell);
    };
    watch(content.model?.cells ?? []);
    content.model?.cells.changed.connect((_, { newValues }) => {
      watch(newValues);
    });
    sessionContext.kernelChanged.connect(() => {
      this.cleared.clear();
    });
    // What the user clears stays so.
    NotebookActions.outputCleared.connect((_, { cell: { model } }) => {
      if (isCodeCell(model)) this.cleared.delete(model);
    }, this);
    NotebookActions.selectionExecuted.connect((_, { notebook }) => {
      if (notebook !== content) return;
      for (const [cell, kept] of this.cleared) if (cell.outputs.length === 0) show(kept, cell);
      this.cleared.clear();
    }, this);
    this.panel.disposed.connect(() => {
      Signal.clearData(this);
    });
  }

  private watch(cell: ICodeCellModel): void {
    if (this.watched.has(cell)) return;
    this.watched.add(cell);
    cell.outputs.changed.connect(({ length }, { oldValues }) => {
      const outputs = oldValues.map((output) => output.toJSON()).filter(hasTurn);
      if (length === 0 && outputs.length > 0 && this.panel.sessionContext.hasNoKernel)
        this.cleared.set(cell, { outputs, isTrusted: cell.trusted });
    });
  }

  private keep(cell: ICodeCellModel): void {
    const outputs: Output[] = cell.outputs.toJSON().filter(hasTurn);
    if (outputs.length > 0 && this.find(cell.id))
      this.kept.set(cell.id, { outputs, isTrusted: cell.trusted, started: new Set() });
  }

  private receive(message: KernelMessage.IMessage): void {
    const request = requestId(message);
    const kept = this.kept.get(this.running.cellOf(request) ?? '');
    if (!kept) return;
    if (KernelMessage.isExecuteInputMsg(message)) kept.started.add(request);
    // The cell may be queued once more, and then JupyterLab does not show this answer.
    else if (
      (KernelMessage.isDisplayDataMsg(message) || KernelMessage.isUpdateDisplayDataMsg(message)) &&
      isRecord(message.content.data[MIME_TYPE])
    )
      kept.outputs = [
        {
          output_type: 'display_data',
          data: message.content.data,
          metadata: message.content.metadata,
        },
      ];
  }

  /** Show the answer again if the cell has none. Other code that ran in the cell has replaced it. */
  private restore(id: string, request: string): void {
    const kept = this.kept.get(id);
    if (!kept || this.running.isRunning(id)) return;
    this.kept.delete(id);
    const cell = this.find(id);
    if (!cell || turnRecordsOf(cell).length > 0) return;
    const source = cell.sharedModel.getSource();
    if (kept.started.has(request) && !isPrompt(source) && !runsPrompts(source)) return;
    show(kept, cell);
  }

  private find(id: string): ICodeCellModel | null {
    for (const cell of this.panel.content.model?.cells ?? [])
      if (cell.id === id && isCodeCell(cell)) return cell;
    return null;
  }
}

function show({ outputs, isTrusted }: Omit<Kept, 'started'>, cell: ICodeCellModel): void {
  if (!isTrusted) cell.trusted = false;
  for (const output of outputs) cell.outputs.add(output);
}
