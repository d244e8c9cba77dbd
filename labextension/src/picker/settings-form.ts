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
  type EffectiveSettings,
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
  private effective: EffectiveSettings = {};

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

  /** Show what the kernel uses: for empty fields, and where it uses another value than the notebook's. */
  showEffective(effective: EffectiveSettings): void {
    this.effective = effective;
    for (const name of NAMES) {
      const control = name === 'model' ? this.models.control : this.rows[name].control;
      if (!(control instanceof HTMLSelectElement)) control.placeholder = this.unset(name);
      else if (control.options[0]) control.options[0].text = this.unset(name);
    }
    this.updateDescriptions();
  }

  /** Return what an empty field shows. */
  private unset(name: Name): string {
    const found = this.effective[name];
    const isOwn = found === undefined || found.source === 'notebook';
    return isOwn ? this.trans.__('set by the kernel') : visible(found.shown);
  }

  /** Return what the kernel uses instead of the notebook's value, or ''. */
  private override(name: Name): string {
    const found = this.effective[name];
    if (found?.source !== 'set in this kernel' || this.current[name] === undefined) return '';
    return fill(this.trans.__('The next prompt cell uses {value}.'), {
      value: visible(found.shown),
    });
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
    control.replaceChildren(new Option(this.unset('thinking'), ''), ...options);
    control.value = current;
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
    for (const name of NAMES) this.rows[name].hint = this.override(name);
    const parts = [model ? describeModel(model, this.trans) : '', this.override('model')];
    this.models.hint = parts.filter(Boolean).join(' · ');
    const current = modelNamed(this.current['model']);
    if (current?.thinking === 'always' && !this.override('thinking'))
      this.rows.thinking.hint = fill(this.trans.__('{model} always thinks.'), {
        model: current.name,
      });
    this.rows.model.el.hidden = chosen !== OTHER;
    const used = Object.entries(this.current).filter(([name]) => !this.override(name as Name));
    this.summary.textContent = describeSettings(Object.fromEntries(used), this.trans);
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
