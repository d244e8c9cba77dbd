// The turns that are running in the kernels of this page's notebooks, by id. The renderer of a record draws the live turn
// with the same id, in whatever output, cell or notebook the record is.
import type { Kernel } from '@jupyterlab/services';
import type { CallQuestion, PageMessage, PageReply, TurnMessage } from '../protocol';
import { SignOfLife } from '../renderer/sign-of-life';
import { turnMessageIn, TurnProgress } from '../renderer/turn-message';
import { askingCall, isRunning, reduce, type TurnState } from '../renderer/turn-state';
import { versionCount, versionNumber } from '../renderer/versions';
import type { Decision } from '../renderer/views/approval-view';
import { requestOf } from './page-request';
import { partialOutput, type Lost, type TurnOutput } from './partial-turn';

type Listener = () => void;

/** How often the complete state is requested until it is received. */
const ASK_EVERY_MS = 1_000;

export class LiveTurn {
  readonly id: string;
  readonly cell: string | null;
  /** When the turn started, as a value of `performance.now()`. */
  readonly startedAt: number;
  /** Resolves when the turn can be drawn. */
  readonly known: Promise<void>;
  /** Resolves if the kernel does not run the turn (any longer), although it has not said that it ended. */
  readonly over: Promise<void>;
  private becomeKnown = (): void => undefined;
  private becomeOver = (): void => undefined;
  private readonly progress = new TurnProgress();
  private readonly listeners = new Set<Listener>();
  private readonly announcedCalls = new Set<string>();
  private seconds: number;
  private askedAt = -Infinity;
  private lost: Lost = null;
  private readonly life = new SignOfLife((silent) => {
    this.apply([['state', { silent }]]);
    // It may have ended while this page was offline.
    if (silent) this.askForState();
  });

  constructor(
    readonly kernel: Kernel.IKernelConnection,
    { turn, cell, seconds }: TurnMessage,
  ) {
    this.id = turn;
    this.cell = cell;
    this.seconds = seconds;
    this.startedAt = performance.now() - seconds * 1000;
    this.known = new Promise((resolve) => (this.becomeKnown = resolve));
    this.over = new Promise((resolve) => (this.becomeOver = resolve));
  }

  get state(): TurnState {
    const { state } = this.progress;
    if (!this.isLost) return state;
    const { record } = state;
    const versions = record && { version: versionNumber(record), versions: versionCount(record) };
    const parts = state.parts.map((part) => {
      const cut = isRunning(part.fields.status) ? { status: 'stopped' as const, gone: true } : {};
      return { ...part, fields: { ...part.fields, ...cut } };
    });
    const fields = { ...state.fields, ...versions, status: 'stopped' as const, gone: true };
    return { ...state, parts, fields };
  }

  /** Whether the kernel is gone before it displayed the whole turn. */
  get isLost(): boolean {
    return this.lost !== null;
  }

  get isRunning(): boolean {
    return isRunning(this.state.fields.status);
  }

  /** Whether nothing was received for a while. */
  get isSilent(): boolean {
    return this.life.silent;
  }

  receive(message: TurnMessage): void {
    this.seconds = message.seconds;
    this.progress.receive(message);
    if (this.state.record) this.becomeKnown();
    if (this.lost === 'perhaps') this.lost = null;
    if (this.progress.lacksOps) this.askForState();
    if (this.isRunning) this.life.seen();
    else this.life.end();
    this.announceCalls();
    this.notify();
  }

  /** The kernel is gone. If that is not sure, the turn continues as soon as the kernel sends something. */
  lose(sure: boolean): void {
    this.lost = sure ? 'surely' : (this.lost ?? 'perhaps');
    this.life.end();
    this.notify();
  }

  /** What to save if nothing more is received. */
  output(): TurnOutput | null {
    return partialOutput(this.state, this.seconds, this.lost);
  }

  async stop(): Promise<void> {
    this.apply([['state', { stopping: true }]]);
    const reply = await this.request({ type: 'stop' });
    if (!reply?.received && this.isRunning) await this.kernel.interrupt();
  }

  async decide({ id, sha256 }: CallQuestion, decision: Decision): Promise<void> {
    const key = askingCall(this.state, id);
    if (key === null) return;
    this.apply([['tool', key, { state: 'decided' }]]);
    const message: PageMessage = { type: 'decide', question: id, sha256, ...decision };
    let reply = await this.request(message);
    if (!reply) {
      // Of several pages, jupyter-server-documents lets only the last one that connected receive replies.
      await this.kernel.reconnect();
      reply = await this.request(message);
    }
    if (!reply?.received && this.state.calls.get(key)?.state === 'decided')
      this.apply([['tool', key, { state: 'asking' }]]);
  }

  /** Call the listener after each change. Return a function that ends this. */
  watch(listener: Listener): () => void {
    this.listeners.add(listener);
    this.announceCalls();
    return () => this.listeners.delete(listener);
  }

  dispose(): void {
    this.life.end();
    this.notify();
    this.listeners.clear();
  }

  private request(message: PageMessage): Promise<PageReply | null> {
    return requestOf(this.kernel, { turn: this.id, message });
  }

  private askForState(): void {
    const now = performance.now();
    if (now - this.askedAt < ASK_EVERY_MS) return;
    this.askedAt = now;
    void this.request({ type: 'state' }).then((reply) => {
      const message = turnMessageIn(reply?.state);
      if (message?.turn === this.id) this.receive(message);
      else if (reply?.received === false && this.isRunning) this.becomeOver();
    });
  }

  /** Tell the kernel that the question about a call can be answered here, once it is drawn. */
  private announceCalls(): void {
    if (this.listeners.size === 0) return;
    for (const { state, question } of this.state.calls.values()) {
      const id = question?.id;
      if (state !== 'asking' || id === undefined || this.announcedCalls.has(id)) continue;
      this.announcedCalls.add(id);
      void this.request({ type: 'here' }).then((reply) => {
        if (!reply?.received) this.announcedCalls.delete(id);
      });
    }
  }

  private apply(ops: unknown): void {
    this.progress.state = reduce(this.progress.state, ops);
    this.notify();
  }

  private notify(): void {
    for (const listener of [...this.listeners]) listener();
  }
}

const turns = new Map<string, LiveTurn>();
const arrivals = new Set<(turn: LiveTurn) => void>();

/** Return the turn if it is running in a kernel of this page. */
export function liveTurn(id: unknown): LiveTurn | null {
  return typeof id === 'string' ? (turns.get(id) ?? null) : null;
}

/** Return the turns of a cell that are running in a kernel. */
export function runningTurnsOf(cell: string, kernel: string | undefined): LiveTurn[] {
  const isOwn = (turn: LiveTurn): boolean => turn.cell === cell && turn.kernel.id === kernel;
  return [...turns.values()].filter((turn) => isOwn(turn) && turn.isRunning);
}

export function addLiveTurn(turn: LiveTurn): void {
  turns.set(turn.id, turn);
  void turn.known.then(() => {
    for (const arrived of [...arrivals]) arrived(turn);
  });
}

export function removeLiveTurn(turn: LiveTurn): void {
  turns.delete(turn.id);
  turn.dispose();
}

/** Call the function with each turn that starts, or is found running, once it can be drawn. Return a function that ends this. */
export function onLiveTurn(arrived: (turn: LiveTurn) => void): () => void {
  arrivals.add(arrived);
  return () => arrivals.delete(arrived);
}
