// Which cells of a notebook are queued or running, by the requests that JupyterLab sent for them.
// A request ends when the kernel reports that it is idle again. JupyterLab does not announce the end of a cell that was
// moved or deleted while it ran.
import type { ISessionContext } from '@jupyterlab/apputils';
import type { Cell, CodeCell, ICellModel } from '@jupyterlab/cells';
import { KernelMessage } from '@jupyterlab/services';
import { Signal } from '@lumino/signaling';

/** The part of a code cell that has the request of its last run. */
interface Requested {
  readonly outputArea?: { readonly future?: CodeCell['outputArea']['future'] | null };
}

export class RunningCells {
  /** Emitted with a cell that is about to be sent to the kernel. */
  readonly queued = new Signal<this, Cell>(this);
  /** Emitted when a request with an id has ended, or its kernel is gone. A request that was not sent has the id ''. */
  readonly ended = new Signal<this, { readonly cell: string; readonly request: string }>(this);
  private static readonly instances = new WeakMap<ISessionContext, RunningCells>();

  /** The cell of each request, by the id of the request. A request that has no id (yet) has a symbol instead. */
  private readonly cells = new Map<string | symbol, string>();
  /** The current source of the cells that ran, by id. */
  private readonly sources = new Map<string, string>();
  private readonly followed = new WeakSet<ICellModel>();

  /** Return the running cells of a session. All views of a notebook share them. */
  static of(sessionContext: ISessionContext): RunningCells {
    const existing = RunningCells.instances.get(sessionContext);
    if (existing) return existing;
    const created = new RunningCells(sessionContext);
    RunningCells.instances.set(sessionContext, created);
    return created;
  }

  private constructor(private readonly sessionContext: ISessionContext) {
    sessionContext.iopubMessage.connect((_, message) => {
      if (KernelMessage.isStatusMsg(message) && message.content.execution_state === 'idle')
        this.end([requestId(message)]);
    });
    sessionContext.statusChanged.connect((_, status) => {
      if (status === 'restarting' || status === 'autorestarting' || status === 'dead')
        this.end([...this.cells.keys()]);
    });
    sessionContext.kernelChanged.connect(() => {
      this.end([...this.cells.keys()]);
    });
  }

  /** The ids of the cells that are queued or running. */
  get ids(): ReadonlySet<string> {
    return new Set(this.cells.values());
  }

  /** Whether the cell is queued or running. */
  isRunning(id: string): boolean {
    for (const cell of this.cells.values()) if (cell === id) return true;
    return false;
  }

  /** Record that a cell is about to be sent to the kernel. Its outputs are still those of its last run. */
  scheduled(cell: Cell): void {
    this.queued.emit(cell);
    const { id } = cell.model;
    const key = Symbol(id);
    this.cells.set(key, id);
    this.followSource(cell.model);
    const { outputArea } = cell as unknown as Requested;
    const earlier = outputArea?.future;
    // JupyterLab sends the request right after it has announced it. Another program that runs the cell has no future.
    queueMicrotask(() => {
      const future = outputArea?.future;
      if (!future || future === earlier || !this.cells.delete(key)) return;
      this.cells.set(future.msg.header.msg_id, id);
    });
  }

  private end(requests: readonly (string | symbol)[]): void {
    const ended = requests.flatMap((request) => {
      const cell = this.cells.get(request);
      return cell !== undefined && this.cells.delete(request) ? [{ cell, request }] : [];
    });
    for (const { cell, request } of ended)
      if (typeof request === 'string') this.ended.emit({ cell, request });
  }

  /** Remember the source of a cell and its edits, to recognize the cell that it is merged into. */
  followSource(model: ICellModel): void {
    const remember = (): void => {
      this.sources.set(model.id, model.sharedModel.getSource());
    };
    remember();
    if (this.followed.has(model)) return;
    this.followed.add(model);
    model.contentChanged.connect(remember);
  }

  /** Return the last source of a cell that ran. The cell may be gone. */
  sourceOf(id: string): string {
    return this.sources.get(id) ?? '';
  }

  /** Record that a cell has ended. It matters only for requests without an id. */
  executed(id: string): void {
    for (const [key, cell] of this.cells)
      if (typeof key === 'symbol' && cell === id) {
        this.cells.delete(key);
        // Nothing was sent to a kernel that is dead.
        if (this.sessionContext.session?.kernel?.status === 'dead')
          this.ended.emit({ cell: id, request: '' });
        return;
      }
  }

  /** Return the cell that a running request belongs to, if it is known. */
  cellOf(request: string): string | undefined {
    return this.cells.get(request);
  }

  /** Return whether the cell is queued or running by another request than this one. */
  hasOtherRequest(id: string, request: string): boolean {
    return [...this.cells].some(([key, cell]) => cell === id && key !== request);
  }
}

/** Return the id of the request that the message belongs to, or ''. */
export function requestId({ parent_header: parent }: KernelMessage.IMessage): string {
  return 'msg_id' in parent ? parent.msg_id : '';
}
