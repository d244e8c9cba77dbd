// Decides which page writes outputs into a document that several pages share: if two pages replaced the same output, the
// document would contain both.
import type { NotebookPanel } from '@jupyterlab/notebook';

const FIELD = 'mm_magics';

/** The part of the shared model that tells the pages of a document apart. */
interface Awareness {
  readonly clientID: number;
  on(event: 'change', listener: (change: { readonly added: readonly number[] }) => void): void;
  getStates(): ReadonlyMap<number, Readonly<Record<string, unknown>>>;
  setLocalStateField(field: string, value: unknown): void;
}

export class SharedDocument {
  constructor(private readonly panel: NotebookPanel) {
    this.announce();
    panel.sessionContext.kernelChanged.connect(() => {
      this.announce();
    });
    void panel.sessionContext.ready.then(() => {
      this.announce();
    });
    // A page that is opened later receives what changes from then on.
    this.awareness?.on('change', ({ added }) => {
      if (added.length > 0) this.announce();
    });
  }

  /** Whether other pages receive what this page changes. */
  get isShared(): boolean {
    return this.panel.content.model?.collaborative === true;
  }

  /** Whether this page writes the outputs of requests from a session: the page that sent them, else one of the others. */
  isWriter(session: string): boolean {
    const awareness = this.isShared ? this.awareness : null;
    if (!awareness) return true;
    const pages = [...awareness.getStates()].filter(
      ([, state]) => typeof state[FIELD] === 'string',
    );
    const sender = pages.find(([, state]) => state[FIELD] === session);
    return (sender?.[0] ?? Math.min(...pages.map(([id]) => id))) === awareness.clientID;
  }

  /** Let the other pages know which session this page has. */
  private announce(): void {
    const kernel = this.panel.sessionContext.session?.kernel;
    if (kernel && this.isShared) this.awareness?.setLocalStateField(FIELD, kernel.clientId);
  }

  private get awareness(): Awareness | null {
    const shared = this.panel.content.model?.sharedModel as { awareness?: Awareness } | undefined;
    return shared?.awareness ?? null;
  }
}
