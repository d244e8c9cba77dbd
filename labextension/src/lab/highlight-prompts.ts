// Sets prompt cells apart from code: by an accent, and by their language.
import type { JupyterFrontEndPlugin } from '@jupyterlab/application';
import { IEditorLanguageRegistry } from '@jupyterlab/codemirror';
import { INotebookTracker } from '@jupyterlab/notebook';
import { ISettingRegistry } from '@jupyterlab/settingregistry';
import { injectStyle } from '../renderer/inject-style';
import { eachNotebook } from './open-notebooks';
import style from './prompt-cells.css';
import { loadPromptLanguage } from './prompt-language';
import { PromptLooks, type Looks } from './prompt-looks';

export const highlightPlugin: JupyterFrontEndPlugin<void> = {
  id: 'mm-magics:highlight',
  description: 'Marks MiniMax prompt cells, and highlights them as Markdown with Python in {{ }}.',
  autoStart: true,
  requires: [INotebookTracker],
  optional: [ISettingRegistry, IEditorLanguageRegistry],
  activate: (
    _app,
    tracker: INotebookTracker,
    settings: ISettingRegistry | null,
    languages: IEditorLanguageRegistry | null,
  ) => {
    let looks: Looks = { isMarkdown: true, hasAccent: true, language: null };
    const notebooks = new Set<PromptLooks>();
    const change = (changed: Partial<Looks>): void => {
      looks = { ...looks, ...changed };
      for (const notebook of notebooks) notebook.checkAll();
    };
    let isLoading = false;
    eachNotebook(tracker, (panel) => {
      injectStyle(panel.node, 'prompt-cells', style);
      const notebook = new PromptLooks(panel, () => looks);
      notebooks.add(notebook);
      panel.disposed.connect(() => notebooks.delete(notebook));
      if (isLoading || !languages) return;
      isLoading = true;
      loadPromptLanguage(languages).then(
        (language) => {
          change({ language });
        },
        (error: unknown) => {
          console.debug('mm_magics: the language of prompt cells could not be loaded', error);
        },
      );
    });
    settings?.load(highlightPlugin.id).then(
      (loaded) => {
        const apply = (): void => {
          change({
            isMarkdown: loaded.get('enabled').composite !== false,
            hasAccent: loaded.get('accent').composite !== false,
          });
        };
        loaded.changed.connect(apply);
        apply();
      },
      (error: unknown) => {
        console.debug('mm_magics: the settings of the extension could not be loaded', error);
      },
    );
  },
};
