// Notebooks of JupyterLab for tests: real models and notebook widgets, and small fakes of what needs a server.
import type { JupyterFrontEnd } from '@jupyterlab/application';
import type { IToolbarWidgetRegistry } from '@jupyterlab/apputils';
import type { CodeCell, ICodeCellModel } from '@jupyterlab/cells';
import {
  CodeMirrorEditorFactory,
  CodeMirrorMimeTypeService,
  EditorExtensionRegistry,
  EditorLanguageRegistry,
  EditorThemeRegistry,
} from '@jupyterlab/codemirror';
import {
  Notebook,
  NotebookActions,
  NotebookModel,
  StaticNotebook,
  type INotebookTracker,
  type NotebookPanel,
} from '@jupyterlab/notebook';
import { RenderMimeRegistry, standardRendererFactories } from '@jupyterlab/rendermime';
import { CommandRegistry } from '@lumino/commands';
import { Signal } from '@lumino/signaling';
import { Widget } from '@lumino/widgets';

/** An output of a saved notebook. */
export interface SavedOutput {
  readonly data: Record<string, unknown>;
}

export interface CellContent {
  readonly source: string;
  readonly type?: 'code' | 'markdown';
  readonly outputs?: readonly object[];
}

/** What the page did with a comm: opened it or sent a message on it. */
export interface CommCall {
  readonly target: string;
  readonly call: 'open' | 'send';
  readonly data: Record<string, unknown>;
}

class FakeComm {
  commsOverSubshells = '';
  isDisposed = false;
  onMsg: (message: unknown) => void = () => undefined;
  confirm: () => void = () => undefined;

  constructor(
    readonly target: string,
    private readonly calls: CommCall[],
  ) {}

  open(data: Record<string, unknown>): { done: Promise<void> } {
    this.calls.push({ target: this.target, call: 'open', data });
    return { done: new Promise((resolve) => (this.confirm = resolve)) };
  }

  send(data: Record<string, unknown>): void {
    this.calls.push({ target: this.target, call: 'send', data });
  }
}

/** A kernel that records what it receives on comms. */
export class FakeKernel {
  readonly calls: CommCall[] = [];
  readonly comms: FakeComm[] = [];
  handleComms = true;
  readonly id: string = 'kernel';
  readonly clientId: string = 'this page';
  readonly username = '';
  readonly isDisposed = false;
  connectionStatus = 'connected';
  interrupts = 0;
  /** The requests about running turns. */
  readonly requests: Record<string, unknown>[] = [];
  /** Returns the kernel's reply to a request; null if mm_magics is not loaded, undefined if the kernel does not reply. */
  answer: (request: Record<string, unknown>) => object | null | undefined = () => null;

  sendControlMessage(message: { content: Record<string, unknown> }): { done: Promise<object> } {
    const request = message.content['mm_magics'] as Record<string, unknown>;
    this.requests.push(request);
    const answer = this.answer(request);
    if (answer === undefined) return { done: new Promise(() => undefined) };
    return { done: Promise.resolve({ content: { comms: {}, mm_magics: answer } }) };
  }

  createComm(target: string): FakeComm {
    const comm = new FakeComm(target, this.calls);
    this.comms.push(comm);
    return comm;
  }

  reconnects = 0;

  reconnect(): Promise<void> {
    this.reconnects++;
    return Promise.resolve();
  }

  interrupt(): Promise<void> {
    this.interrupts++;
    return Promise.resolve();
  }

  /** The descriptions of the notebook, in order. */
  get descriptions(): Record<string, unknown>[] {
    return this.calls
      .filter(({ target }) => target === 'mm_magics.document')
      .map(({ data }) => data);
  }

  /** Send a message on the last comm of this target. */
  reply(target: string, data: object): void {
    this.comms.findLast((comm) => comm.target === target)!.onMsg({ content: { data } });
  }

  /** Confirm all comms, as a kernel does that has loaded mm_magics. */
  async confirm(): Promise<void> {
    for (const comm of this.comms) comm.confirm();
    await settled();
  }
}

/** An open notebook, as plugins receive it from the tracker. */
export class FakePanel {
  readonly kernel = new FakeKernel();
  readonly toolbarItems: Widget[] = [];
  readonly statusChanged = new Signal<object, string>(this);
  readonly kernelChanged = new Signal<object, unknown>(this);
  readonly iopubMessage = new Signal<object, object>(this);
  readonly connectionStatusChanged = new Signal<object, string>(this);
  readonly saveState = new Signal<object, string>(this);
  readonly disposed = new Signal<object, undefined>(this);
  readonly sessionContext = {
    ready: Promise.resolve(),
    session: { kernel: this.kernel as FakeKernel | null },
    statusChanged: this.statusChanged,
    iopubMessage: this.iopubMessage,
    connectionStatusChanged: this.connectionStatusChanged,
    kernelChanged: this.kernelChanged,
  };
  readonly context: object;
  isDisposed = false;
  readonly node = document.createElement('div');
  private static requests = 0;

  constructor(
    readonly content: Notebook,
    lastModified: string | undefined,
  ) {
    this.context = {
      ready: Promise.resolve(),
      localPath: 'folder/page.ipynb',
      saveState: this.saveState,
      contentsModel: lastModified === undefined ? null : { last_modified: lastModified },
    };
  }

  /** The id of a cell. */
  id(index: number): string {
    return this.content.widgets[index]!.model.id;
  }

  setSource(index: number, source: string): void {
    this.content.widgets[index]!.model.sharedModel.setSource(source);
  }

  get sources(): string[] {
    return this.content.widgets.map(({ model }) => model.sharedModel.getSource());
  }

  /** Announce that a cell is about to run, as JupyterLab does. */
  schedule(index: number): void {
    emit(NotebookActions.executionScheduled, this.content, index);
  }

  /** Run a cell: announce it, and send a request to the kernel. Return the id of the request. */
  async run(index: number): Promise<string> {
    const request = `request-${FakePanel.requests++}`;
    this.schedule(index);
    const { outputArea } = this.content.widgets[index] as CodeCell;
    outputArea.future = fakeFuture(request);
    await settled();
    return request;
  }

  /** Receive a message of the kernel that belongs to a request. */
  publish(request: string, type: string, content: object, session = this.kernel.clientId): void {
    this.iopubMessage.emit({
      channel: 'iopub',
      header: { msg_type: type },
      parent_header: { msg_id: request, session },
      content: { metadata: {}, ...content },
    });
  }

  /** Show data in the only output of a cell, as JupyterLab does. */
  show(index: number, data: object): void {
    const { outputs } = this.content.widgets[index]!.model as ICodeCellModel;
    outputs.fromJSON([{ output_type: 'display_data', data, metadata: {} } as never]);
  }

  /** The outputs of a cell, as the notebook is saved. */
  outputs(index: number): SavedOutput[] {
    return (this.content.widgets[index]!.model as ICodeCellModel).outputs.toJSON() as SavedOutput[];
  }

  /** Announce that a cell has run. */
  finish(index: number): void {
    emit(NotebookActions.executed, this.content, index);
  }

  /** Announce that a cell has failed with an error of the kernel. */
  fail(index: number, errorName: string, errorValue: string): void {
    const error = { errorName, errorValue };
    emit(NotebookActions.executed, this.content, index, { success: false, error });
  }

  get asPanel(): NotebookPanel {
    return this as unknown as NotebookPanel;
  }
}

type Future = CodeCell['outputArea']['future'];

function fakeFuture(request: string): Future {
  const future = {
    msg: { header: { msg_id: request } },
    done: new Promise(() => undefined),
    dispose: () => undefined,
  };
  return future as unknown as Future;
}

function emit(signal: unknown, notebook: Notebook, index: number, result: object = {}): void {
  const cell = notebook.widgets[index];
  (signal as { emit: (args: object) => void }).emit({ notebook, cell, success: true, ...result });
}

const languages = new EditorLanguageRegistry();
const load = (): Promise<never> => new Promise(() => undefined);
languages.addLanguage({ name: 'ipython', mime: 'text/x-ipython', load });
languages.addLanguage({ name: 'ipythongfm', mime: 'text/x-ipythongfm', load });
const extensions = new EditorExtensionRegistry();
for (const factory of EditorExtensionRegistry.getDefaultExtensions({
  themes: new EditorThemeRegistry(),
}))
  extensions.addExtension(factory);
const editors = new CodeMirrorEditorFactory({ extensions, languages });

export const newRendermime = (): RenderMimeRegistry =>
  new RenderMimeRegistry({ initialFactories: standardRendererFactories });

/** Make a notebook widget of JupyterLab, with real editors and without a model. */
export function newNotebookWidget(rendermime: RenderMimeRegistry): Notebook {
  return new Notebook({
    rendermime,
    contentFactory: new Notebook.ContentFactory({ editorFactory: editors.newInlineEditor }),
    mimeTypeService: new CodeMirrorMimeTypeService(languages),
    notebookConfig: { ...StaticNotebook.defaultNotebookConfig, windowingMode: 'none' },
  });
}

/** Open a notebook with these cells on the page. */
export function openNotebook(
  cells: readonly (string | CellContent)[],
  options: {
    metadata?: object;
    lastModified?: string;
    rendermime?: RenderMimeRegistry;
    isShared?: boolean;
  } = {},
): FakePanel {
  const model = new NotebookModel({ collaborationEnabled: options.isShared ?? false });
  model.fromJSON({
    nbformat: 4,
    nbformat_minor: 5,
    metadata: {
      language_info: { name: 'python', mimetype: 'text/x-ipython' },
      ...options.metadata,
    },
    cells: cells.map((cell, index) => {
      const {
        source,
        type = 'code',
        outputs = [],
      } = typeof cell === 'string' ? { source: cell } : cell;
      const code = type === 'code' ? { outputs, execution_count: null } : {};
      return { id: `cell-${index}`, cell_type: type, source, metadata: {}, ...code };
    }),
  } as unknown as Parameters<NotebookModel['fromJSON']>[0]);
  const content = newNotebookWidget(options.rendermime ?? newRendermime());
  model.sharedModel.clearUndoHistory();
  content.model = model;
  Widget.attach(content, document.body);
  content.activeCellIndex = 0;
  return new FakePanel(content, options.lastModified);
}

/** The application and the tracker, with the first of these notebooks in front. */
export function fakeApp(...panels: FakePanel[]): {
  app: JupyterFrontEnd;
  tracker: INotebookTracker;
  registry: IToolbarWidgetRegistry;
  commands: CommandRegistry;
  open: (panel: FakePanel) => void;
} {
  // These signals belong to the page: disconnect the plugins of earlier tests.
  for (const signal of [NotebookActions.executionScheduled, NotebookActions.executed])
    Signal.clearData((signal as unknown as { sender: unknown }).sender);
  const commands = new CommandRegistry();
  const currentWidget = panels[0];
  const widgetAdded = new Signal<object, FakePanel>(panels);
  const tracker = {
    currentWidget,
    widgetAdded,
    find: (matches: (panel: FakePanel) => boolean) => panels.find(matches),
    forEach: (visit: (panel: FakePanel) => void) => {
      panels.forEach(visit);
    },
  };
  const registry = {
    addFactory: (_factory: string, _name: string, make: (panel: FakePanel) => Widget) => {
      for (const panel of panels) {
        const item = make(panel);
        panel.toolbarItems.push(item);
        Widget.attach(item, document.body);
      }
    },
  } as unknown as IToolbarWidgetRegistry;
  return {
    registry,
    app: {
      commands,
      shell: { currentWidget },
      restored: Promise.resolve(),
    } as unknown as JupyterFrontEnd,
    tracker: tracker as unknown as INotebookTracker,
    commands,
    open: (panel) => {
      widgetAdded.emit(panel);
    },
  };
}

/** Wait until pending promises and the current frame are done. */
export async function settled(): Promise<void> {
  await new Promise((resolve) => setTimeout(resolve, 30));
}

/** A turn record whose answer is this Markdown. */
export function turnRecord(text: string, fields: object = {}): Record<string, unknown> {
  return {
    schema: 1,
    id: 'turn-1',
    status: 'complete',
    model: 'MiniMax-M2.7',
    messages: [{ role: 'assistant', content: [{ type: 'text', text }] }],
    responses: [],
    ...fields,
  };
}

/** An output that contains a turn record. */
export function turnOutput(record: object, more: object = {}): object {
  const data = { 'application/vnd.minimax.turn+json': record, ...more };
  return { output_type: 'display_data', data, metadata: {} };
}
