// The comms to the kernel of one notebook: the document before each execution, and Stop.
// Always true: both are opened here and only ever sent on; whatever fails, the cell runs as if they were not there.
import type { NotebookPanel } from '@jupyterlab/notebook';
import type { ISessionContext } from '@jupyterlab/apputils';
import { CommsOverSubshells, type Kernel } from '@jupyterlab/services';
import { describe, type Described } from './describe';

const DOCUMENT = 'mm_magics.document';
const CONTROL = 'mm_magics.control';

export class KernelLine {
  private kernel: Kernel.IKernelConnection | null = null;
  private document: Kernel.IComm | null = null;
  private control: Kernel.IComm | null = null;
  private sent = new Map<string, string>();

  constructor(private readonly panel: NotebookPanel) {
    panel.sessionContext.statusChanged.connect((_: ISessionContext, status: Kernel.Status) => {
      if (status === 'restarting' || status === 'autorestarting' || status === 'dead')
        this.forget();
    });
    panel.sessionContext.kernelChanged.connect(() => {
      this.forget();
    });
  }

  /** Tell the kernel how the notebook stands; called before a cell's code is sent. */
  tell(pending: readonly string[]): void {
    try {
      this.open();
      const model = this.panel.content.model;
      if (!this.document || !model) return;
      const described: Described = describe(model, this.sent);
      const name = this.panel.context.localPath;
      this.document.send({
        ...described.message,
        name: name.split('/').pop() ?? name,
        path: name,
        pending: [...pending],
      });
      this.sent = described.sent;
    } catch (error) {
      console.debug('mm_magics: the kernel was not told of the notebook', error);
      this.forget();
    }
  }

  /** Ask the kernel to stop the turn that runs; whether there was a way to. */
  stop(): boolean {
    if (!this.control || this.control.isDisposed) return false;
    this.control.send({ type: 'stop' });
    return true;
  }

  private open(): void {
    const kernel = this.panel.sessionContext.session?.kernel ?? null;
    if (kernel !== this.kernel) this.forget();
    this.kernel = kernel;
    if (!kernel || !kernel.handleComms) return;
    if (!this.document || this.document.isDisposed) {
      this.sent = new Map();
      this.document = this.opened(kernel, DOCUMENT);
    }
    if (!this.control || this.control.isDisposed) this.control = this.opened(kernel, CONTROL);
  }

  private opened(kernel: Kernel.IKernelConnection, target: string): Kernel.IComm {
    const comm = kernel.createComm(target);
    if (target === DOCUMENT) comm.commsOverSubshells = CommsOverSubshells.Disabled;
    comm.open();
    return comm;
  }

  private forget(): void {
    this.document = this.control = null;
    this.sent = new Map();
  }
}
