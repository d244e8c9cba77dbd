// The notebook's own settings, in its toolbar: a button that says what answers, and a panel to choose it.
// Always true: what is chosen is the notebook's metadata, key `minimax`, and nothing else; the kernel is told of it
// with the document. The button is only there where the notebook speaks of us.
import type { JupyterFrontEndPlugin } from '@jupyterlab/application';
import { INotebookTracker, type INotebookModel } from '@jupyterlab/notebook';
import { ITranslator, nullTranslator, type TranslationBundle } from '@jupyterlab/translation';
import { JSONExt, type JSONObject } from '@lumino/coreutils';
import { Widget } from '@lumino/widgets';
import { SettingsForm } from '../picker/settings-form';
import { NAMES, type Settings } from '../picker/settings';
import style from '../picker/picker.css';
import { isRecord } from '../renderer/turn-state';
import { injectStyle } from '../renderer/inject-style';
import { visible } from '../renderer/visible-characters';
import { dropDown } from './dropdown';
import { eachNotebook } from './open-notebooks';
import { concernsUs, SETTINGS_KEY } from './prompt-cell';

const SETTLED_MS = 400;

function settingsOf(model: INotebookModel): Settings {
  const settings: unknown = model.getMetadata(SETTINGS_KEY);
  return isRecord(settings) ? settings : {};
}

function keep(model: INotebookModel, settings: Settings): void {
  if (Object.keys(settings).length) model.setMetadata(SETTINGS_KEY, settings);
  else model.deleteMetadata(SETTINGS_KEY);
}

/** The button and its panel; what they say follows from the metadata. */
class SettingsButton extends Widget {
  private readonly button = document.createElement('button');
  private readonly label = document.createElement('span');
  private readonly panel = document.createElement('div');
  private readonly form: SettingsForm;
  private timer: ReturnType<typeof setTimeout> | undefined;

  constructor(
    private readonly model: INotebookModel,
    private readonly trans: TranslationBundle,
  ) {
    super();
    this.form = new SettingsForm(trans, (settings) => {
      keep(model, settings);
    });
    const title = document.createElement('h2');
    title.textContent = trans.__('MiniMax in this notebook');
    this.panel.className = 'jp-ThemedContainer mm-picker-panel';
    this.panel.setAttribute('aria-label', title.textContent);
    this.panel.append(title, this.form.el);
    this.button.type = 'button';
    this.button.className = 'jp-ToolbarButtonComponent mm-settings-button';
    this.button.title = trans.__('What answers the prompt cells of this notebook');
    this.label.className = 'jp-ToolbarButtonComponent-label';
    this.button.append(this.label);
    this.node.append(this.button);
    document.body.append(this.panel);
    injectStyle(this.panel, 'picker', style);
    dropDown(this.button, this.panel, () => {
      this.form.show(settingsOf(model));
    });
    this.hide();
    model.metadataChanged.connect(() => {
      this.refresh();
    });
    model.contentChanged.connect(() => {
      this.soon();
    });
    this.refresh();
  }

  override dispose(): void {
    clearTimeout(this.timer);
    this.panel.remove();
    super.dispose();
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
    const settings = settingsOf(this.model);
    if (!JSONExt.deepEqual(settings as JSONObject, this.form.settings as JSONObject))
      this.form.show(settings);
    const { model, thinking } = settings;
    const parts = [typeof model === 'string' && model ? visible(model) : 'MiniMax'];
    if (thinking === 'on') parts.push(this.trans.__('thinking'));
    if (thinking === 'off') parts.push(this.trans.__('no thinking'));
    this.label.textContent = `${parts.join(' · ')} ▾`;
    const known = NAMES.some((name) => settings[name] !== undefined);
    if (known || concernsUs(this.sources())) this.show();
  }

  private *sources(): Iterable<string> {
    for (const cell of this.model.cells) yield cell.sharedModel.getSource();
  }
}

export const toolbarPlugin: JupyterFrontEndPlugin<void> = {
  id: 'mm-magics:toolbar',
  description: 'The MiniMax settings of a notebook, in its toolbar.',
  autoStart: true,
  requires: [INotebookTracker],
  optional: [ITranslator],
  activate: (_app, tracker: INotebookTracker, translator: ITranslator | null) => {
    const trans = (translator ?? nullTranslator).load('mm_magics');
    eachNotebook(tracker, ({ content, toolbar }) => {
      if (!content.model) return;
      const item = new SettingsButton(content.model, trans);
      if (!toolbar.insertBefore('spacer', 'mm-magics-settings', item))
        toolbar.addItem('mm-magics-settings', item);
    });
  },
};
