// The notebook's own settings, in its toolbar: which model answers, and whether it thinks.
// Always true: what is chosen is the notebook's metadata, key `minimax`, and nothing else; the kernel is told of it
// with the document. The button is only there where the notebook speaks of us.
import type { JupyterFrontEnd, JupyterFrontEndPlugin } from '@jupyterlab/application';
import { InputDialog } from '@jupyterlab/apputils';
import { INotebookTracker, type INotebookModel, type NotebookPanel } from '@jupyterlab/notebook';
import { ISettingRegistry } from '@jupyterlab/settingregistry';
import { ITranslator, nullTranslator, type TranslationBundle } from '@jupyterlab/translation';
import { MenuSvg } from '@jupyterlab/ui-components';
import { Widget } from '@lumino/widgets';
import { isRecord } from '../renderer/state';
import { eachNotebook } from './panels';
import { concernsUs, SETTINGS_KEY } from './prompt';

const USE = 'mm-magics:use';
const OTHER = 'mm-magics:use-other-model';
const SETTLED_MS = 400;

type Settings = Readonly<Record<string, unknown>>;
type Name = 'model' | 'thinking';

function settingsOf(model: INotebookModel): Settings {
  const settings: unknown = model.getMetadata(SETTINGS_KEY);
  return isRecord(settings) ? settings : {};
}

/** Set one of the notebook's settings; null leaves it to the kernel's. */
function choose(model: INotebookModel, name: Name, value: string | null): void {
  const others = Object.entries(settingsOf(model)).filter(([each]) => each !== name);
  const settings = Object.fromEntries(value === null ? others : [...others, [name, value]]);
  if (Object.keys(settings).length) model.setMetadata(SETTINGS_KEY, settings);
  else model.deleteMetadata(SETTINGS_KEY);
}

/** The button; what it says follows from the metadata. */
class SettingsButton extends Widget {
  readonly button = document.createElement('button');
  private timer: ReturnType<typeof setTimeout> | undefined;

  constructor(
    private readonly model: INotebookModel,
    private readonly trans: TranslationBundle,
    open: (button: HTMLElement) => void,
  ) {
    super();
    this.button.type = 'button';
    this.button.className = 'jp-ToolbarButtonComponent mm-settings-button';
    this.button.setAttribute('aria-haspopup', 'menu');
    this.button.title = trans.__('What answers the prompt cells of this notebook');
    this.button.addEventListener('click', () => {
      open(this.button);
    });
    this.node.append(this.button);
    this.hide();
    model.metadataChanged.connect(() => {
      this.refresh();
    });
    model.contentChanged.connect(() => {
      this.soon();
    });
    this.refresh();
  }

  private soon(): void {
    if (!this.isHidden) return;
    clearTimeout(this.timer);
    this.timer = setTimeout(() => {
      this.refresh();
    }, SETTLED_MS);
  }

  private refresh(): void {
    if (this.isDisposed || this.model.isDisposed) return;
    const { model, thinking } = settingsOf(this.model);
    const parts = [typeof model === 'string' && model ? model : 'MiniMax'];
    if (thinking === 'on') parts.push(this.trans.__('thinking'));
    if (thinking === 'off') parts.push(this.trans.__('no thinking'));
    const label = document.createElement('span');
    label.className = 'jp-ToolbarButtonComponent-label';
    label.textContent = `${parts.join(' · ')} ▾`;
    this.button.replaceChildren(label);
    const known = model !== undefined || thinking !== undefined;
    if (known || concernsUs(this.sources())) this.show();
  }

  private *sources(): Iterable<string> {
    for (const cell of this.model.cells) yield cell.sharedModel.getSource();
  }
}

function activate(
  app: JupyterFrontEnd,
  tracker: INotebookTracker,
  settings: ISettingRegistry | null,
  translator: ITranslator | null,
): void {
  const trans = (translator ?? nullTranslator).load('mm_magics');
  let models: string[] = [];
  let chosenFor: INotebookModel | null = null;

  const isOn = (name: Name, value: string | null): boolean =>
    chosenFor !== null && (settingsOf(chosenFor)[name] ?? null) === value;

  app.commands.addCommand(USE, {
    label: ({ label }) => label as string,
    isToggleable: true,
    isToggled: ({ name, value }) => isOn(name as Name, value as string | null),
    execute: ({ name, value }) => {
      if (chosenFor) choose(chosenFor, name as Name, value as string | null);
    },
  });
  app.commands.addCommand(OTHER, {
    label: trans.__('Another Model…'),
    execute: async () => {
      const model = chosenFor;
      const title = trans.__('Which model is to answer?');
      const { value } = await InputDialog.getText({ title });
      if (model && value?.trim()) choose(model, 'model', value.trim());
    },
  });

  const open = (model: INotebookModel, button: HTMLElement): void => {
    chosenFor = model;
    const menu = new MenuSvg({ commands: app.commands });
    menu.addClass('jp-ThemedContainer');
    const offer = (label: string, name: Name, value: string | null): void => {
      menu.addItem({ command: USE, args: { label, name, value } });
    };
    const current = settingsOf(model)['model'];
    offer(trans.__('The kernel’s own model'), 'model', null);
    const own = typeof current === 'string' && !models.includes(current) ? [current] : [];
    for (const name of [...models, ...own]) offer(name, 'model', name);
    menu.addItem({ command: OTHER });
    menu.addItem({ type: 'separator' });
    offer(trans.__('Thinking as the kernel has it'), 'thinking', null);
    offer(trans.__('Thinking on'), 'thinking', 'on');
    offer(trans.__('Thinking off'), 'thinking', 'off');
    button.setAttribute('aria-expanded', 'true');
    menu.aboutToClose.connect(() => {
      button.setAttribute('aria-expanded', 'false');
      button.focus();
    });
    const { left, bottom } = button.getBoundingClientRect();
    menu.open(left, bottom);
  };

  eachNotebook(tracker, (panel: NotebookPanel) => {
    const { model } = panel.content;
    if (!model) return;
    const item = new SettingsButton(model, trans, (button) => {
      open(model, button);
    });
    if (!panel.toolbar.insertBefore('spacer', 'mm-magics-settings', item))
      panel.toolbar.addItem('mm-magics-settings', item);
  });

  settings?.load(toolbarPlugin.id).then(
    (loaded) => {
      const apply = (): void => {
        const names = loaded.get('models').composite;
        models = Array.isArray(names) ? names.filter((name) => typeof name === 'string') : [];
      };
      loaded.changed.connect(apply);
      apply();
    },
    (error: unknown) => {
      console.debug('mm_magics: no settings', error);
    },
  );
}

export const toolbarPlugin: JupyterFrontEndPlugin<void> = {
  id: 'mm-magics:toolbar',
  description: 'The MiniMax settings of a notebook, in its toolbar.',
  autoStart: true,
  requires: [INotebookTracker],
  optional: [ISettingRegistry, ITranslator],
  activate,
};
