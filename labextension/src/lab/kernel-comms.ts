// The comms to the kernel of one notebook: the document before each execution, and Stop.
// Always true: both are opened here, and the kernel only ever answers on the document's; whatever fails, the cell runs
// as if they were not there.
import type { NotebookPanel } from '@jupyterlab/notebook';
import { CommsOverSubshells, type Kernel } from '@jupyterlab/services';
import type { JSONObject } from '@lumino/coreutils';
import { Describer } from './describe-notebook';
import { concernsUs, SETTINGS_KEY } from './prompt-cell';

/** A cell with this in it may load the kernel's side, which until then refuses the comms. */
const LOADER = /\bmm_magics\b/;

/** One comm of a target, opened anew whenever the one before has been, or may have been, refused. */
class Channel {
  private comm: Kernel.IComm | null = null;
  private answered = false;
  private doubtful = false;

  constructor(
    private readonly target: string,
    private readonly subshells: CommsOverSubshells,
    private readonly receive: (data: JSONObject) => void = () => {},
  ) {}

  get current(): Kernel.IComm | null {
    return this.comm === null || this.comm.isDisposed || this.doubtful ? null : this.comm;
  }

  open(kernel: Kernel.IKernelConnection, data: JSONObject = {}): void {
    const comm = kernel.createComm(this.target);
    comm.commsOverSubshells = this.subshells;
    this.comm = comm;
    this.answered = this.doubtful = false;
    comm.onMsg = ({ content }) => {
      this.receive(content.data);
    };
    comm.open(data).done.then(
      () => (this.answered ||= this.comm === comm),
      (error: unknown) => {
        console.debug('mm_magics: the kernel went away', error);
      },
    );
  }

  /** The kernel's side may come to be by what runs next; a comm that has not been answered yet may come too early. */
  doubt(): void {
    if (!this.answered) this.doubtful = true;
  }

  forget(): void {
    this.comm = null;
  }
}

export class KernelLine {
  private kernel: Kernel.IKernelConnection | null = null;
  private readonly document: Channel;
  private readonly control = new Channel('mm_magics.control', CommsOverSubshells.PerCommTarget);
  private readonly describer = new Describer();
  private readonly pending = new Set<string>();
  /** What the kernel was told of each cell. */
  private told = new Map<string, string>();
  private asked = false;

  /** `receive` gets what the kernel answers: outputs that the page missed, and marks. */
  constructor(
    private readonly panel: NotebookPanel,
    receive: (data: JSONObject) => void,
  ) {
    this.document = new Channel('mm_magics.document', CommsOverSubshells.Disabled, receive);
    void panel.sessionContext.ready.then(() => {
      this.resume();
    });
    panel.sessionContext.statusChanged.connect((_, status) => {
      if (status !== 'restarting' && status !== 'autorestarting' && status !== 'dead') return;
      this.pending.clear();
      this.forget();
    });
    panel.sessionContext.kernelChanged.connect(() => {
      this.forget();
    });
  }

  /** The cell's code is about to be sent: tell the kernel how the notebook stands. */
  begin(id: string, source: string): void {
    this.pending.add(id);
    this.asked = false;
    try {
      this.tell({});
      if (!LOADER.test(source)) return;
      this.document.doubt();
      this.control.doubt();
    } catch (error) {
      console.debug('mm_magics: the kernel was not told of the notebook', error);
      this.forget();
    }
  }

  end(id: string): void {
    this.pending.delete(id);
    this.asked = false;
  }

  /** Ask the kernel to stop the turn that runs; asked again, or without a line to it, interrupt it. */
  async stop(): Promise<void> {
    const kernel = this.panel.sessionContext.session?.kernel;
    if (!kernel) return;
    const comm = kernel === this.kernel && kernel.supportsSubshells ? this.control.current : null;
    if (!comm || this.asked) return kernel.interrupt();
    this.asked = true;
    comm.send({ type: 'stop' });
  }

  /** The page may have missed how turns ended in a kernel that is older than it. */
  private resume(): void {
    const { context, sessionContext } = this.panel;
    const kernel = sessionContext.session?.kernel;
    const modified = Date.parse(context.contentsModel?.last_modified ?? '');
    if (!kernel || Number.isNaN(modified)) return;
    try {
      this.tell({ since: modified / 1000 });
    } catch (error) {
      console.debug('mm_magics: the kernel was not asked', error);
      this.forget();
    }
  }

  private tell(more: JSONObject): void {
    const { content, context, sessionContext } = this.panel;
    const kernel = sessionContext.session?.kernel ?? null;
    if (kernel !== this.kernel) this.forget();
    this.kernel = kernel;
    if (!kernel?.handleComms || !content.model) return;
    const cells = this.describer.cells(content.model);
    if (!concernsUs([...cells.values()].map(({ source }) => source))) return;
    if (!this.control.current) this.control.open(kernel);
    const comm = this.document.current;
    if (!comm) this.told = new Map();
    const changed: JSONObject = {};
    for (const [id, { reduced, text }] of cells)
      if (this.told.get(id) !== text) changed[id] = reduced;
    const path = context.localPath;
    const description = {
      name: path.split('/').at(-1) ?? path,
      path,
      sent_at: Date.now() / 1000,
      order: [...cells.keys()],
      pending: [...this.pending],
      changed,
      settings: (content.model.getMetadata(SETTINGS_KEY) ?? {}) as JSONObject,
      ...more,
    };
    if (comm) comm.send(description);
    else this.document.open(kernel, description);
    this.told = new Map([...cells].map(([id, { text }]) => [id, text]));
  }

  private forget(): void {
    this.document.forget();
    this.control.forget();
    this.told = new Map();
  }
}
