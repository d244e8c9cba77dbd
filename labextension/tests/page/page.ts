// The page: one notebook at a time in JupyterLab's own widgets, with our plugins, driven by the test.
import type { JupyterFrontEnd } from '@jupyterlab/application';
import type { CodeMirrorEditor } from '@jupyterlab/codemirror';
import type { YNotebook } from '@jupyter/ydoc';
import { Context } from '@jupyterlab/docregistry';
import {
  NotebookActions,
  NotebookModelFactory,
  NotebookPanel,
  type INotebookModel,
  type INotebookTracker,
  type Notebook,
} from '@jupyterlab/notebook';
import type { JSONObject } from '@lumino/coreutils';
import { Signal } from '@lumino/signaling';
import { Widget } from '@lumino/widgets';
import { createInterface } from 'node:readline';
import plugins from '../../src/lab/index';
import { answerChanged } from '../../src/lab/kernel-plugin';
import { isCodeCell } from '../../src/lab/prompt-cell';
import { handleVersionRequests } from '../../src/lab/versions';
import { MIME_TYPE } from '../../src/protocol';
import { newNotebookWidget, newRendermime } from '../lab/fake-jupyterlab';
import { deliver, newServices, type Message } from './server';

/** The plugins that need no application: the renderer of turns, and the connection to the kernel. */
const PLUGINS = ['mm-magics:renderer', 'mm-magics:kernel'];

const send = (message: Message): void => {
  process.stdout.write(`${JSON.stringify(message)}\n`);
};
const services = newServices(send);
const rendermime = newRendermime();
const panels: NotebookPanel[] = [];
const widgetAdded = new Signal<object, NotebookPanel>(panels);
const tracker = {
  widgetAdded,
  forEach: (visit: (panel: NotebookPanel) => void) => {
    panels.forEach(visit);
  },
};

/** Never restored: what JupyterLab loads after its start is not loaded here. */
const application = { restored: new Promise(() => undefined) } as unknown as JupyterFrontEnd;

/** Activate our plugins, as JupyterLab does when it starts. Without them, the page is a plain JupyterLab. */
async function activatePlugins(): Promise<void> {
  for (const plugin of plugins.filter(({ id }) => PLUGINS.includes(id))) {
    const tokens = [...(plugin.requires ?? []), ...(plugin.optional ?? [])];
    const found = tokens.map(({ name }) =>
      name.endsWith(':INotebookTracker')
        ? (tracker as unknown as INotebookTracker)
        : name.endsWith(':IRenderMimeRegistry')
          ? rendermime
          : null,
    );
    await plugin.activate(application, ...found);
  }
}

/** What JupyterLab does not declare: the handling of the messages that it has received. */
interface Handling {
  readonly _msgChain?: Promise<void>;
}

const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

/** The timeouts of 100 to 500 ms: they are called when the test says so (`start.mjs`). */
declare const heldTimers: Map<unknown, () => void>;

/** Answer a dialog as a user who continues: a kernel that was killed has one, and a file that another page saved. */
function answerDialog(): void {
  const dialog = document.querySelector('.jp-Dialog');
  const button =
    dialog?.querySelector<HTMLElement>('.jp-mod-warn') ??
    dialog?.querySelector<HTMLElement>('.jp-mod-accept');
  button?.click();
}

/** Wait until the page has nothing to do: its messages, its frames, its promises, and timeouts of 0 ms. */
async function settled(): Promise<void> {
  for (let round = 0; round < 2; round++) {
    answerDialog();
    await pause(1);
    for (const { sessionContext } of panels) {
      const kernel = sessionContext.session?.kernel as Handling | null | undefined;
      await Promise.race([kernel?._msgChain, pause(1_000)]);
    }
  }
  for (let round = 0; round < 4; round++) await new Promise((resolve) => setImmediate(resolve));
}

function panel(): NotebookPanel {
  const found = panels.at(-1);
  if (!found) throw new Error('No notebook is open.');
  return found;
}

const notebook = (): Notebook => panel().content;

/** Open a notebook, as after a reload of the page, with a kernel; by default with the extension. */
async function open(path: string, hasExtension = true): Promise<void> {
  close();
  const factory = new NotebookModelFactory();
  const context = new Context<INotebookModel>({
    manager: services,
    factory,
    path,
    kernelPreference: { name: 'python3', shouldStart: true },
  });
  const content = newNotebookWidget(hasExtension ? rendermime : newRendermime());
  const opened = new NotebookPanel({ context, content });
  Widget.attach(opened, document.body);
  panels.push(opened);
  await context.initialize(false);
  if (hasExtension) {
    widgetAdded.emit(opened);
    handleVersionRequests(content, () => {
      answerChanged(opened);
    });
  }
  await context.sessionContext.ready;
  const kernel = context.sessionContext.session?.kernel;
  await kernel?.info;
  kernel?.registerCommTarget('jupyter.widget', () => undefined);
  content.activeCellIndex = 0;
}

function close(): void {
  const closed = panels.pop();
  closed?.context.dispose();
  closed?.dispose();
}

function select(at: number, to = at): void {
  notebook().deselectAll();
  notebook().activeCellIndex = at;
  if (to !== at) notebook().extendContiguousSelectionTo(to);
}

/** What the page shows: its cells, each with the records of its turns, and the marks in the headers of the turns. */
function shown(): object[] {
  return notebook().widgets.map(({ model, node }) => {
    const outputs = isCodeCell(model) ? model.outputs.toJSON() : [];
    return {
      id: model.id,
      type: model.type,
      source: model.sharedModel.getSource(),
      records: outputs.flatMap(
        (output) => (output['data'] as JSONObject | undefined)?.[MIME_TYPE] ?? [],
      ),
      marks: [...node.querySelectorAll('.mm-rendered .mm-mark')].map(({ className }) =>
        className.replace(/^mm-mark mm-/, ''),
      ),
      text: node.querySelector('.jp-OutputArea')?.textContent ?? '',
    };
  });
}

/** Save the notebook, and overwrite the file if another page has saved it. */
async function save(): Promise<void> {
  const overwrite = setInterval(answerDialog, 5);
  try {
    await panel().context.save();
  } finally {
    clearInterval(overwrite);
  }
}

/** Click a control of a cell. Return whether the cell has it. */
function click(at: number, selector: string): boolean {
  const control = notebook().widgets[at]!.node.querySelector<HTMLElement>(selector);
  control?.click();
  return control !== null;
}

const COMMANDS: Record<string, (...values: never[]) => unknown> = {
  activatePlugins,
  open,
  close,
  shown,
  click,
  /** Start running a cell. The kernel answers later. */
  run: (at: number) => {
    select(at);
    void NotebookActions.run(notebook(), panel().sessionContext).catch(() => undefined);
  },
  /** Start running a cell and all below it. */
  runBelow: (at: number) => {
    select(at);
    void NotebookActions.runAllBelow(notebook(), panel().sessionContext).catch(() => undefined);
  },
  setSource: (at: number, source: string) => {
    notebook().widgets[at]!.model.sharedModel.setSource(source);
  },
  insert: (at: number, source: string) => {
    if (at < notebook().widgets.length) {
      select(at);
      NotebookActions.insertAbove(notebook());
    } else {
      select(at - 1);
      NotebookActions.insertBelow(notebook());
    }
    notebook().activeCell!.model.sharedModel.setSource(source);
  },
  delete: (at: number) => {
    select(at);
    NotebookActions.deleteCells(notebook());
  },
  move: (at: number, to: number) => {
    notebook().moveCell(at, to);
  },
  moveDown: (at: number) => {
    select(at);
    NotebookActions.moveDown(notebook());
  },
  split: (at: number, offset: number) => {
    select(at);
    const editor = notebook().activeCell!.editor as CodeMirrorEditor;
    const position = editor.getPositionAt(offset % (editor.doc.length + 1));
    editor.setSelection({ start: position, end: position });
    NotebookActions.splitCell(notebook());
  },
  merge: (at: number) => {
    select(at, at + 1);
    NotebookActions.mergeCells(notebook());
  },
  convert: (at: number, type: 'code' | 'markdown' | 'raw') => {
    select(at);
    NotebookActions.changeCellType(notebook(), type);
  },
  copy: (at: number, below: number) => {
    select(at);
    NotebookActions.copy(notebook());
    select(below);
    NotebookActions.paste(notebook());
  },
  cut: (at: number, below: number) => {
    select(at);
    NotebookActions.cut(notebook());
    select(Math.min(below, notebook().widgets.length - 1));
    NotebookActions.paste(notebook());
  },
  duplicate: (at: number) => {
    select(at);
    NotebookActions.duplicate(notebook());
  },
  clear: (at: number) => {
    select(at);
    NotebookActions.clearOutputs(notebook());
  },
  clearAll: () => {
    NotebookActions.clearAllOutputs(notebook());
  },
  undo: () => {
    NotebookActions.undo(notebook());
  },
  redo: () => {
    NotebookActions.redo(notebook());
  },
  /** Tell the plugins that a cell is about to run, and that it has run, without running it. */
  describe: async (at: number) => {
    const cell = notebook().widgets[at]!;
    for (const signal of [NotebookActions.executionScheduled, NotebookActions.executed]) {
      const args = { notebook: notebook(), cell, success: true };
      (signal as unknown as { emit: (args: object) => void }).emit(args);
      await Promise.resolve();
    }
  },
  trusted: () => notebook().widgets.map(({ model }) => isCodeCell(model) && model.trusted),
  save,
  restart: () => panel().sessionContext.restartKernel(),
  /** Shut the kernel down, as a user who then chooses “No Kernel”, or choose a kernel again. */
  useKernel: async (uses: boolean) => {
    const { sessionContext } = panel();
    sessionContext.kernelPreference = { ...sessionContext.kernelPreference, shouldStart: uses };
    await (uses ? sessionContext.startKernel() : sessionContext.shutdown());
  },
  /** Return the id of this page for the kernel. */
  client: () => panel().sessionContext.session?.kernel?.clientId,
  status: () => panel().sessionContext.kernelDisplayStatus,
  /** Return what the page saves of a notebook that it was given, without showing it. */
  roundTrip: (content: object) => {
    const model = new NotebookModelFactory().createNew();
    model.fromJSON(content as Parameters<INotebookModel['fromJSON']>[0]);
    const saved = model.toJSON();
    model.dispose();
    return saved;
  },
  settle: () => undefined,
  /** Let so much time pass that the timeouts which are held by now end. */
  wait: () => {
    for (const [timer, end] of [...heldTimers]) if (heldTimers.delete(timer)) end();
  },
};

async function answer(id: unknown, call: unknown, values: unknown): Promise<void> {
  try {
    const command = COMMANDS[String(call)];
    if (!command) throw new Error(`unknown command ${String(call)}`);
    // Yjs undoes what happens within half a second together, and no user is as fast as this.
    for (const { content } of panels)
      (content.model?.sharedModel as YNotebook | undefined)?.undoManager.stopCapturing();
    const result = await command(...(values as never[]));
    await settled();
    send({ id, result: call === 'settle' ? heldTimers.size : (result ?? null) });
  } catch (error) {
    send({ id, error: error instanceof Error ? (error.stack ?? error.message) : String(error) });
  }
}

createInterface({ input: process.stdin }).on('line', (line) => {
  const message = JSON.parse(line) as Message;
  if ('call' in message) void answer(message['id'], message['call'], message['values']);
  else deliver(message);
});
process.stdin.on('end', () => process.exit(0));
send({ id: 0, result: null });
