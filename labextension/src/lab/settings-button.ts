// A toolbar button that names the effective model, and opens a panel with the settings of the notebook.
// The settings are stored in the notebook metadata, key `minimax`, and the document comm sends them to the kernel.
// The button is hidden until the notebook mentions MiniMax.
import type { JupyterFrontEndPlugin } from '@jupyterlab/application';
import { IToolbarWidgetRegistry } from '@jupyterlab/apputils';
import type { INotebookModel, Notebook, NotebookPanel } from '@jupyterlab/notebook';
import { ITranslator, nullTranslator, type TranslationBundle } from '@jupyterlab/translation';
import { JSONExt, type JSONObject } from '@lumino/coreutils';
import { Widget } from '@lumino/widgets';
import { SettingsForm } from '../picker/settings-form';
import { StandingRules } from '../picker/standing-rules';
import { effectiveSetting, NOT_SENT, NOTEBOOK_NAMES, type Settings } from '../picker/settings';
import style from '../picker/picker.css';
import { SETTINGS_KEY } from '../protocol';
import { isRecord } from '../renderer/turn-state';
import { injectStyle } from '../renderer/inject-style';
import { fill } from '../renderer/strings';
import { visible } from '../renderer/visible-characters';
import { attachDropdown } from './dropdown';
import { factsOf } from './kernel-facts';
import { findPrompt, isPrompt, mentionsMiniMax } from './prompt-cell';
import { flagsIn } from './prompt-flags';

const REFRESH_DELAY_MS = 400;

function settingsOf(model: INotebookModel): Settings {
  const settings: unknown = model.getMetadata(SETTINGS_KEY);
  return isRecord(settings) ? settings : {};
}

function saveSettings(model: INotebookModel, settings: Settings): void {
  if (Object.keys(settings).length) model.setMetadata(SETTINGS_KEY, settings);
  else model.deleteMetadata(SETTINGS_KEY);
}

/** Return the name without the parts that all models have: `MiniMax-M3` is `M3`, as is `minimax/MiniMax-M3`. */
function shortName(model: string): string {
  return model.replace(/^.*\//, '').replace(/^minimax-(?=.)/i, '');
}

/** The button and its panel, drawn from the notebook metadata and what the kernel has sent. */
class SettingsButton extends Widget {
  private readonly button = document.createElement('button');
  private readonly label = document.createElement('span');
  private readonly panel = document.createElement('div');
  private readonly form: SettingsForm;
  private readonly rules: StandingRules;
  private timer: ReturnType<typeof setTimeout> | undefined;
  private readonly factsChanged = (): void => {
    this.showFacts();
    this.refresh();
  };

  constructor(
    private readonly notebook: Notebook,
    private readonly model: INotebookModel,
    private readonly trans: TranslationBundle,
  ) {
    super();
    this.form = new SettingsForm(trans, 'notebook', (settings) => {
      saveSettings(model, settings);
      factsOf(model).describe?.();
    });
    const title = document.createElement('h2');
    title.textContent = trans.__('MiniMax in this notebook');
    this.panel.className = 'jp-ThemedContainer mm-picker mm-picker-panel';
    this.panel.setAttribute('aria-label', title.textContent);
    this.rules = new StandingRules(trans, async (id) => (await factsOf(model).rules?.(id)) ?? null);
    this.panel.append(title, this.form.el, this.rules.el);
    this.button.type = 'button';
    this.button.className = 'jp-ToolbarButtonComponent mm-settings-button';
    this.label.className = 'jp-ToolbarButtonComponent-label';
    this.button.append(this.label);
    this.node.append(this.button);
    document.body.append(this.panel);
    injectStyle(this.panel, 'picker', style);
    attachDropdown(this.button, this.panel, () => {
      this.showFacts();
      this.form.show(settingsOf(model));
      void this.showRules();
      factsOf(model).ask?.();
    });
    this.hide();
    factsOf(model).listeners.add(this.factsChanged);
    model.metadataChanged.connect(() => {
      this.refresh();
    });
    model.contentChanged.connect(() => {
      this.refreshSoon();
    });
    this.refresh();
  }

  override dispose(): void {
    clearTimeout(this.timer);
    factsOf(this.model).listeners.delete(this.factsChanged);
    this.panel.remove();
    super.dispose();
  }

  private showFacts(): void {
    const source = this.notebook.activeCell?.model.sharedModel.getSource() ?? '';
    const magic = isPrompt(source) ? findPrompt(source)?.magic : undefined;
    this.form.showFacts({ ...factsOf(this.model), flags: flagsIn(magic ?? '') });
  }

  private async showRules(): Promise<void> {
    const rules = (await factsOf(this.model).rules?.()) ?? [];
    if (!this.isDisposed) this.rules.show(rules);
  }

  private refreshSoon(): void {
    if (!this.isHidden) return;
    clearTimeout(this.timer);
    this.timer = setTimeout(() => {
      this.refresh();
    }, REFRESH_DELAY_MS);
  }

  private refresh(): void {
    if (this.isDisposed || this.model.isDisposed) return;
    const settings = settingsOf(this.model);
    if (!JSONExt.deepEqual(settings as JSONObject, this.form.settings as JSONObject))
      this.form.show(settings);
    this.showLabel(settings);
    const hasSettings = NOTEBOOK_NAMES.some((name) => settings[name] !== undefined);
    if (hasSettings || mentionsMiniMax(this.sources())) this.show();
  }

  /** Name the effective model, and how much it thinks if that is set. */
  private showLabel(settings: Settings): void {
    const sent = factsOf(this.model).settings ?? {};
    const model = effectiveSetting('model', 'notebook', settings, sent)?.shown;
    const thinking = effectiveSetting('thinking', 'notebook', settings, sent)?.shown ?? NOT_SENT;
    const { context } = factsOf(this.model);
    const parts = [model === undefined ? 'MiniMax' : visible(shortName(model))];
    if (context) parts.push(visible(context));
    if (thinking === 'off') parts.push(this.trans.__('no thinking'));
    else if (thinking === 'on' || thinking === 'adaptive') parts.push(this.trans.__('thinking'));
    else if (thinking !== NOT_SENT)
      parts.push(fill(this.trans.__('thinking: {value}'), { value: visible(thinking) }));
    const text = `${parts.join(' · ')} ▾`;
    if (this.label.textContent !== text) this.label.textContent = text;
    this.button.title = fill(this.trans.__('{model}: settings for the prompt cells'), {
      model: model === undefined ? 'MiniMax' : visible(model),
    });
  }

  private *sources(): Iterable<string> {
    for (const cell of this.model.cells) yield cell.sharedModel.getSource();
  }
}

export const toolbarPlugin: JupyterFrontEndPlugin<void> = {
  id: 'mm-magics:toolbar',
  description: 'A toolbar button with the MiniMax settings of the notebook.',
  autoStart: true,
  requires: [IToolbarWidgetRegistry],
  optional: [ITranslator],
  activate: (_app, registry: IToolbarWidgetRegistry, translator: ITranslator | null) => {
    const trans = (translator ?? nullTranslator).load('mm_magics');
    // schema/toolbar.json gives its place.
    registry.addFactory<NotebookPanel>('Notebook', 'mm-magics-settings', ({ content }) =>
      content.model ? new SettingsButton(content, content.model, trans) : new Widget(),
    );
  },
};
