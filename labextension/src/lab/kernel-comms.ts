// The comm between one notebook and its kernel: it describes the document before each execution.
// The page opens it, and the kernel only replies. If it fails, cells run as they do without this extension.
import type { Cell } from '@jupyterlab/cells';
import type { NotebookPanel } from '@jupyterlab/notebook';
import { CommsOverSubshells, type Kernel } from '@jupyterlab/services';
import type { JSONObject } from '@lumino/coreutils';
import {
  DOCUMENT_COMM,
  SETTINGS_KEY,
  type CellDescription,
  type DocumentAnswer,
  type DocumentDescription,
  type ForgetMessage,
  type OneTimeSettings,
  type RulesMessage,
  type ShownRequest,
  type ShownSummary,
  type StandingRule,
  type SummaryMessage,
} from '../protocol';
import type { CellText } from '../protocol-changes';
import { isRecord } from '../renderer/turn-state';
import { ConversationChanges } from './conversation-changes';
import { NotebookDescriber } from './describe-notebook';
import { requestOf } from './page-request';
import { mentionsMiniMax } from './prompt-cell';
import { RunningCells } from './running-cells';

/** Running a cell that matches may load mm_magics, and before that the kernel refuses the comms. */
const LOADS_EXTENSION = /\bmm_magics\b/;

/** A received message, whose fields have not been checked yet. */
type Unchecked<Message> = { readonly [Field in keyof Message]?: unknown };

/** A comm of one target, reopened after the kernel has refused it or may have refused it. */
class Channel<Sent extends object> {
  private comm: Kernel.IComm | null = null;
  private confirmed = false;
  private mayBeRefused = false;

  constructor(
    private readonly target: string,
    private readonly subshells: CommsOverSubshells,
    private readonly receive: (data: JSONObject) => void = () => {},
  ) {}

  get isOpen(): boolean {
    return this.comm !== null && !this.comm.isDisposed && !this.mayBeRefused;
  }

  send(message: Sent): void {
    this.comm?.send(message as unknown as JSONObject);
  }

  open(kernel: Kernel.IKernelConnection, message?: Sent): void {
    const comm = kernel.createComm(this.target);
    comm.commsOverSubshells = this.subshells;
    this.comm = comm;
    this.confirmed = this.mayBeRefused = false;
    comm.onMsg = ({ content }) => {
      this.receive(content.data);
    };
    comm.open((message ?? {}) as unknown as JSONObject).done.then(
      () => (this.confirmed ||= this.comm === comm),
      (error: unknown) => {
        console.debug('mm_magics: the kernel closed before it confirmed the comm', error);
      },
    );
  }

  /** Reopen the comm next time if the kernel has not confirmed it: it may have arrived before mm_magics was loaded. */
  expectRefusal(): void {
    if (!this.confirmed) this.mayBeRefused = true;
  }

  drop(): void {
    this.comm = null;
  }
}

function isStandingRule(value: unknown): value is StandingRule {
  return isRecord(value) && typeof value['id'] === 'string' && typeof value['text'] === 'string';
}

export class KernelComms {
  private kernel: Kernel.IKernelConnection | null = null;
  private readonly document: Channel<DocumentDescription>;
  private readonly describer = new NotebookDescriber();
  private readonly running: RunningCells;
  private readonly changes: ConversationChanges | null = null;
  /** The JSON of each cell as the kernel last received it, by cell id. */
  private sentCells = new Map<string, string>();
  /** The session of the kernel, as its messages have it. */
  private kernelSession: string | null = null;
  private stopRequested = false;
  /** The running cell that may load mm_magics. */
  private loading: string | null = null;
  /** The settings for the next run of a cell, by cell id. */
  private readonly once = new Map<string, OneTimeSettings>();

  constructor(
    private readonly panel: NotebookPanel,
    private readonly receive: (answer: Unchecked<DocumentAnswer>) => void,
  ) {
    this.running = RunningCells.of(panel.sessionContext);
    this.document = new Channel(DOCUMENT_COMM, CommsOverSubshells.Disabled, receive);
    if (panel.content.model)
      this.changes = new ConversationChanges(
        panel.content.model,
        () => {
          this.reordered();
        },
        () => {
          // What a running cell shows is not its answer yet.
          if (this.running.ids.size > 0) this.changes?.reportLater();
          else if (this.document.isOpen) this.answerChanged();
        },
      );
    void panel.sessionContext.ready.then(() => {
      this.requestMissedAnswers();
    });
    panel.sessionContext.statusChanged.connect((_, status) => {
      if (status !== 'restarting' && status !== 'autorestarting' && status !== 'dead') return;
      this.dropComms();
    });
    panel.sessionContext.kernelChanged.connect(() => {
      this.dropComms();
    });
    // Nothing tells this page that another page has restarted the kernel, but a new kernel has another session.
    panel.sessionContext.iopubMessage.connect((_, { header }) => {
      const { session } = header as { session?: unknown };
      if (typeof session !== 'string') return;
      if (this.kernelSession !== null && session !== this.kernelSession) this.dropComms();
      this.kernelSession = session;
    });
  }

  /** Describe the notebook to the kernel, just before the code of a cell is sent. */
  cellScheduled(cell: Cell): void {
    this.running.scheduled(cell);
    this.stopRequested = false;
    try {
      const { id } = cell.model;
      const once = this.once.get(id);
      this.once.delete(id);
      this.describe({ scheduled: [id], ...(once ? { once: { [id]: once } } : {}) });
      if (!LOADS_EXTENSION.test(cell.model.sharedModel.getSource())) return;
      this.document.expectRefusal();
      this.loading = id;
    } catch (error) {
      console.debug('mm_magics: the notebook could not be described to the kernel', error);
      this.dropComms();
    }
  }

  /** Run a cell by calling `run`, with settings for this run only. */
  async runOnce(id: string, settings: OneTimeSettings, run: () => Promise<unknown>): Promise<void> {
    this.once.set(id, settings);
    try {
      await run();
    } finally {
      this.once.delete(id);
    }
  }

  /** Describe the notebook to the kernel because the answers on the page have changed: the turns below may be stale. */
  answerChanged(): void {
    this.tryToDescribe({});
  }

  private tryToDescribe(extra: Pick<DocumentDescription, 'wants_models'>): void {
    try {
      this.describe(extra);
    } catch (error) {
      console.debug('mm_magics: the notebook could not be described to the kernel', error);
      this.dropComms();
    }
  }

  /** Describe the notebook because its settings have changed. The kernel replies with the effective ones. */
  settingsChanged(): void {
    if (this.document.isOpen) this.tryToDescribe({});
  }

  /** Ask the kernel for the models that the endpoint offers. */
  askForModels(): void {
    if (this.document.isOpen) this.tryToDescribe({ wants_models: true });
  }

  /** Tell the kernel the new order of the cells if cells are queued: it has received their descriptions already. */
  private reordered(): void {
    const { kernel } = this;
    const { model } = this.panel.content;
    if (!kernel || !model || !this.document.isOpen || this.running.ids.size === 0) return;
    const order = [...model.cells].map(({ id }) => id);
    const message = { page: kernel.clientId, sent_at: Date.now() / 1000, order };
    void requestOf(kernel, { message: { type: 'order', ...message } });
  }

  /** Tell the kernel the order and the text of the cells now: the user may have typed since they were described. */
  sendCells(request: string): void {
    const { kernel } = this;
    const { model } = this.panel.content;
    if (!kernel || !model) return;
    const cells: Record<string, CellText> = {};
    for (const { id, type, sharedModel } of model.cells)
      cells[id] = { cell_type: type, source: sharedModel.getSource() };
    const order = [...model.cells].map(({ id }) => id);
    const pending = this.pendingIn(new Set(order));
    void requestOf(kernel, { message: { type: 'cells', request, order, pending, cells } });
  }

  private pendingIn(cells: { has(id: string): boolean }): string[] {
    return [...this.running.ids].filter((id) => cells.has(id));
  }

  cellExecuted(id: string): void {
    this.running.executed(id);
    this.stopRequested = false;
    this.changes?.executed(id);
    // A kernel that has just loaded mm_magics sends the marks of the turns that it restored.
    if (this.loading !== id) return;
    this.loading = null;
    if (!this.document.isOpen) this.answerChanged();
  }

  /** Ask the kernel to stop the running turn. The second time, or if it does not reply, interrupt the kernel. */
  async stop(): Promise<void> {
    const kernel = this.panel.sessionContext.session?.kernel;
    if (!kernel) return;
    const again = this.stopRequested;
    this.stopRequested = true;
    const reply = again ? null : await requestOf(kernel, { message: { type: 'stop' } });
    if (!reply?.received) await kernel.interrupt();
  }

  /** Return the kernel's rules about tool calls, after removing the one with this id; null without an answer. */
  async standingRules(forget?: string): Promise<readonly StandingRule[] | null> {
    const message: RulesMessage | ForgetMessage =
      forget === undefined ? { type: 'rules' } : { type: 'forget', rule: forget };
    const reply = await requestOf(this.panel.sessionContext.session?.kernel, { message });
    const rules: unknown = reply?.rules;
    return Array.isArray(rules) ? rules.filter(isStandingRule) : null;
  }

  /** Return the request of a turn, as the kernel builds it again; null without an answer. */
  async requestOfTurn(turn: string): Promise<ShownRequest | null> {
    const kernel = this.panel.sessionContext.session?.kernel;
    const request = (await requestOf(kernel, { turn, message: { type: 'request' } }))?.request;
    return typeof request?.text === 'string' && typeof request.note === 'string' ? request : null;
  }

  /** Never summarize a turn, or allow it again. Return whether the kernel knows the turn. */
  async pin(turn: string, on: boolean): Promise<boolean> {
    const kernel = this.panel.sessionContext.session?.kernel;
    const reply = await requestOf(kernel, { turn, message: { type: 'pin', on } });
    // The kernel replies to a description with the new marks.
    if (reply?.received) this.answerChanged();
    return reply?.received === true;
  }

  /** Return the summary that the next prompt of a turn's thread has, after changing it; null without an answer. */
  async summary(turn: string, text?: string): Promise<ShownSummary | null> {
    const kernel = this.panel.sessionContext.session?.kernel;
    const message: SummaryMessage = { type: 'summary', ...(text === undefined ? {} : { text }) };
    const summary = (await requestOf(kernel, { turn, message }))?.summary;
    if (text !== undefined && summary) this.answerChanged();
    return typeof summary?.text === 'string' && typeof summary.note === 'string' ? summary : null;
  }

  /** Ask for the answers that ended while no page was open: the kernel may be older than this page. */
  private requestMissedAnswers(): void {
    const { context, sessionContext } = this.panel;
    const kernel = sessionContext.session?.kernel;
    const modified = Date.parse(context.contentsModel?.last_modified ?? '');
    if (!kernel || Number.isNaN(modified)) return;
    try {
      this.describe({ since: modified / 1000 });
    } catch (error) {
      console.debug('mm_magics: the kernel could not be asked for missed answers', error);
      this.dropComms();
    }
  }

  private describe(
    extra: Pick<DocumentDescription, 'since' | 'scheduled' | 'once' | 'wants_models'>,
  ): void {
    const { content, context, sessionContext } = this.panel;
    const kernel = sessionContext.session?.kernel ?? null;
    if (kernel !== this.kernel) this.dropComms();
    this.kernel = kernel;
    if (!kernel?.handleComms || !content.model) return;
    const cells = this.describer.describe(content.model);
    if (!mentionsMiniMax([...cells.values()].map(({ cell }) => cell.source))) return;
    const isOpen = this.document.isOpen;
    if (!isOpen) this.sentCells = new Map();
    const changed: Record<string, CellDescription> = {};
    for (const [id, { cell, json }] of cells)
      if (this.sentCells.get(id) !== json) changed[id] = cell;
    const path = context.localPath;
    const description: DocumentDescription = {
      name: path.split('/').at(-1) ?? path,
      path,
      page: kernel.clientId,
      sent_at: Date.now() / 1000,
      order: [...cells.keys()],
      pending: this.pendingIn(cells),
      changed,
      settings: (content.model.getMetadata(SETTINGS_KEY) ?? {}) as JSONObject,
      ...extra,
    };
    if (isOpen) {
      this.document.send(description);
    } else {
      // A new kernel sends the marks and settings that it knows. Those of the old one are out of date.
      this.receive({ marks: {}, settings: {} });
      this.document.open(kernel, description);
    }
    this.sentCells = new Map([...cells].map(([id, { json }]) => [id, json]));
    this.changes?.described(description.pending);
  }

  private dropComms(): void {
    this.document.drop();
    this.sentCells = new Map();
  }
}
