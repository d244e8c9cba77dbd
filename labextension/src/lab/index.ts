// The JupyterLab and Notebook 7 extension: the saved turn's renderer, prompt cells, and the line to the kernel.
// Always true: everything in a notebook works without it, only less well.
import type { JupyterFrontEnd, JupyterFrontEndPlugin } from '@jupyterlab/application';
import { ICommandPalette } from '@jupyterlab/apputils';
import { INotebookTracker, NotebookActions, type NotebookPanel } from '@jupyterlab/notebook';
import { IRenderMimeRegistry } from '@jupyterlab/rendermime';
import { ISettingRegistry } from '@jupyterlab/settingregistry';
import { ITranslator, nullTranslator } from '@jupyterlab/translation';
import { setTranslator } from '../renderer/strings';
import { addCommands } from './commands';
import { KernelLine } from './comms';
import { highlightPrompts } from './highlight';
import { factory } from './renderer';

const plugin: JupyterFrontEndPlugin<void> = {
  id: 'mm-magics:plugin',
  description: 'MiniMax prompt cells and answers.',
  autoStart: true,
  requires: [INotebookTracker, IRenderMimeRegistry],
  optional: [ISettingRegistry, ICommandPalette, ITranslator],
  activate: (
    app: JupyterFrontEnd,
    tracker: INotebookTracker,
    rendermime: IRenderMimeRegistry,
    settings: ISettingRegistry | null,
    palette: ICommandPalette | null,
    translator: ITranslator | null,
  ) => {
    const trans = (translator ?? nullTranslator).load('mm_magics');
    setTranslator((english) => trans.__(english));
    rendermime.addFactory(factory);

    let highlight = true;
    const checks = new Set<() => void>();
    const lines = new WeakMap<object, KernelLine>();
    const pending = new WeakMap<NotebookPanel, Set<string>>();

    void settings?.load(plugin.id).then((loaded) => {
      const apply = (): void => {
        highlight = loaded.get('highlight').composite !== false;
        for (const check of checks) check();
      };
      loaded.changed.connect(apply);
      apply();
    });

    const adopt = (panel: NotebookPanel): void => {
      lines.set(panel, new KernelLine(panel));
      pending.set(panel, new Set());
      void panel.context.ready.then(() => {
        const check = highlightPrompts(panel, () => highlight);
        checks.add(check);
        panel.disposed.connect(() => checks.delete(check));
      });
    };
    tracker.forEach(adopt);
    tracker.widgetAdded.connect((_, panel) => {
      adopt(panel);
    });

    NotebookActions.executionScheduled.connect((_, { notebook, cell }) => {
      const panel = tracker.find((each) => each.content === notebook);
      if (!panel) return;
      pending.get(panel)?.add(cell.model.id);
      lines.get(panel)?.tell([...(pending.get(panel) ?? [])]);
    });
    NotebookActions.executed.connect((_, { notebook, cell }) => {
      const panel = tracker.find((each) => each.content === notebook);
      if (panel) pending.get(panel)?.delete(cell.model.id);
    });

    addCommands({ app, tracker, palette, trans, lines });
  },
};

export default plugin;
