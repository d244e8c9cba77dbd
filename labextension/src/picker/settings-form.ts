// A form for the settings of a notebook. An empty field leaves its setting to the kernel.
// It does not depend on Jupyter. An invalid value is reported beside its field and never saved.
import { CATALOGUE, modelNamed } from '../renderer/model-catalogue';
import { fill, type Translation } from '../renderer/strings';
import { visible } from '../renderer/visible-characters';
import { describeModel, describeSettings } from './settings-summary';
import { Row, type Control } from './form-row';
import {
  change,
  isValid,
  NAMES,
  parse,
  reset,
  format,
  thinkingChoices,
  type Name,
  type Settings,
} from './settings';

/** The value of the list entry for a model that is not in the list. */
const OTHER = '…';

export class SettingsForm {
  readonly el = document.createElement('form');
  private readonly models: Row;
  private readonly rows: Readonly<Record<Name, Row>>;
  private readonly summary = document.createElement('div');
  private current: Settings = {};

  /** `onChange` is called with all settings after each valid change. */
  constructor(
    private readonly trans: Translation,
    private readonly onChange: (settings: Settings) => void,
  ) {
    const unset = trans.__('set by the kernel');
    this.models = new Row(trans.__('Model'), select());
    this.models.control.autofocus = true;
    this.rows = {
      model: new Row(trans.__('Model name'), input(trans.__('name used by the endpoint'))),
      thinking: new Row(trans.__('Thinking'), select()),
      temperature: new Row(trans.__('Temperature'), input(unset, 'decimal')),
      top_p: new Row(trans.__('top_p'), input(unset, 'decimal')),
      max_tokens: new Row(trans.__('Max tokens'), input(unset, 'numeric')),
      system: new Row(trans.__('System prompt'), textarea(unset)),
      thread: new Row(trans.__('Thread'), input(unset)),
    };
    this.summary.className = 'mm-picker-meaning';
    this.summary.setAttribute('role', 'status');
    this.el.className = 'mm-picker-form';
    this.el.append(
      this.models.el,
      ...NAMES.map((name) => this.rows[name].el),
      this.summary,
      this.footer(),
    );
    this.models.control.addEventListener('change', () => {
      this.chooseModel(this.models.control.value);
    });
    for (const name of NAMES)
      this.rows[name].control.addEventListener('change', () => {
        this.applyField(name);
      });
    this.offer(undefined);
    this.show({});
  }

  /** List the known models and those that the endpoint adds; undefined if it is not known what it offers. */
  offer(offered: readonly string[] | undefined): void {
    this.models.control.replaceChildren(...modelOptions(this.trans, offered));
  }

  get settings(): Settings {
    return this.current;
  }

  /** Show these settings in the form. */
  show(settings: Settings): void {
    this.current = settings;
    this.offerThinking();
    for (const name of NAMES) {
      const value = settings[name];
      this.rows[name].control.value = format(value);
      this.rows[name].problem =
        value === undefined || isValid(name, value) ? '' : this.ruleOf(name);
    }
    const model = settings['model'];
    this.models.control.value = format(model);
    if (!this.models.control.value && model !== undefined) this.models.control.value = OTHER;
    this.updateDescriptions();
  }

  /** Offer what makes a difference for the chosen model, and the current value. */
  private offerThinking(): void {
    const { control } = this.rows.thinking;
    if (!(control instanceof HTMLSelectElement)) return;
    const model = modelNamed(this.current['model']);
    const current = format(this.current['thinking']);
    const values = new Set(thinkingChoices(model)).add(current);
    values.delete('');
    const labels = thinkingLabels(this.trans);
    const options = [...values].map((value) => new Option(labels[value] ?? value, value));
    control.replaceChildren(new Option(this.trans.__('set by the kernel'), ''), ...options);
    control.value = current;
    const always = this.trans.__('{model} always thinks.');
    this.rows.thinking.hint =
      model?.thinking === 'always' ? fill(always, { model: model.name }) : '';
  }

  private footer(): HTMLElement {
    const footer = document.createElement('div');
    const note = document.createElement('div');
    const button = document.createElement('button');
    note.className = 'mm-picker-hint';
    note.textContent = this.trans.__(
      'Saved in this notebook. Cell flags and %minimax set override these settings.',
    );
    button.type = 'button';
    button.textContent = this.trans.__('Reset');
    button.title = this.trans.__('Clear all settings of this notebook');
    button.addEventListener('click', () => {
      this.show(reset(this.current));
      this.onChange(this.current);
    });
    footer.className = 'mm-picker-foot';
    footer.append(note, button);
    return footer;
  }

  /** Apply the choice in the list of models. For `OTHER`, show the field for the name. */
  private chooseModel(name: string): void {
    if (name !== OTHER) {
      this.rows.model.control.value = name;
      this.applyField('model');
    }
    this.updateDescriptions();
  }

  private applyField(name: Name): void {
    const row = this.rows[name];
    const value = parse(name, row.control.value);
    const valid = value === null || isValid(name, value);
    row.problem = valid ? '' : this.ruleOf(name);
    if (!valid) return;
    this.current = change(this.current, name, value);
    if (name === 'model') this.offerThinking();
    this.onChange(this.current);
    this.updateDescriptions();
  }

  private updateDescriptions(): void {
    const chosen = this.models.control.value;
    const model = modelNamed(chosen);
    this.models.hint = model ? describeModel(model, this.trans) : '';
    this.rows.model.el.hidden = chosen !== OTHER;
    this.summary.textContent = describeSettings(this.current, this.trans);
  }

  private ruleOf(name: Name): string {
    switch (name) {
      case 'temperature':
      case 'top_p':
        return this.trans.__('Ignored: must be above 0 and at most 1, such as 0.7.');
      case 'max_tokens':
        return this.trans.__('Ignored: must be a whole number of at least 1.');
      case 'thinking':
        return this.trans.__('Ignored: must be on, off, an effort or a number of tokens.');
      default:
        return this.trans.__('Ignored: must be text.');
    }
  }
}

function thinkingLabels(trans: Translation): Readonly<Record<string, string>> {
  return {
    on: trans.__('on'),
    off: trans.__('off'),
    adaptive: trans.__('adaptive'),
    low: trans.__('low'),
    medium: trans.__('medium'),
    high: trans.__('high'),
    xhigh: trans.__('very high'),
    max: trans.__('maximum'),
  };
}

function modelOptions(
  trans: Translation,
  offered: readonly string[] | undefined,
): HTMLOptionElement[] {
  const unavailable = trans.__('not offered here');
  const known = CATALOGUE.map((model) => {
    const missing = offered?.length && !offered.includes(model.name);
    const marks = missing ? [unavailable] : [];
    return new Option([model.name, describeModel(model, trans), ...marks].join(' · '), model.name);
  });
  const added = (offered ?? []).filter((name) => !modelNamed(name));
  const mark = trans.__('new: listed only by the endpoint');
  return [
    new Option(trans.__('set by the kernel'), ''),
    ...known,
    ...added.map((name) => new Option(`${visible(name)} · ${mark}`, name)),
    new Option(trans.__('another…'), OTHER),
  ];
}

function select(...options: HTMLOptionElement[]): HTMLSelectElement {
  const el = document.createElement('select');
  el.append(...options);
  return el;
}

function input(placeholder: string, inputMode = 'text'): HTMLInputElement {
  const el = document.createElement('input');
  el.type = 'text';
  el.autocomplete = 'off';
  el.spellcheck = false;
  return Object.assign(el, { placeholder, inputMode });
}

function textarea(placeholder: string): Control {
  const el = document.createElement('textarea');
  el.rows = 3;
  return Object.assign(el, { placeholder });
}
