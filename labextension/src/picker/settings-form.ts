// A form for the settings of a notebook. An empty field leaves its setting to the kernel.
// It does not depend on Jupyter. An invalid value is reported beside its field and never saved.
import { CATALOGUE, modelNamed } from '../renderer/model-catalogue';
import type { Translation } from '../renderer/strings';
import { describeModel, describeSettings } from './settings-summary';
import { Row, type Control } from './form-row';
import { change, isValid, NAMES, parse, reset, format, type Name, type Settings } from './settings';

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
    this.models = new Row(trans.__('Model'), select(...modelOptions(trans, unset)));
    this.models.control.autofocus = true;
    this.rows = {
      model: new Row(trans.__('Model name'), input(trans.__('name used by the endpoint'))),
      thinking: new Row(
        trans.__('Thinking'),
        select(
          new Option(unset, ''),
          new Option(trans.__('on'), 'on'),
          new Option(trans.__('off'), 'off'),
        ),
      ),
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
    this.show({});
  }

  get settings(): Settings {
    return this.current;
  }

  /** Show these settings in the form. */
  show(settings: Settings): void {
    this.current = settings;
    const { control } = this.rows.thinking;
    const thinking = format(settings['thinking']);
    if (control instanceof HTMLSelectElement && !hasOption(control, thinking)) {
      control.add(new Option(thinking));
    }
    for (const name of NAMES) {
      const value = settings[name];
      this.rows[name].control.value = format(value);
      this.rows[name].problem =
        value === undefined || isValid(name, value) ? '' : this.ruleOf(name);
    }
    const model = settings['model'];
    this.models.control.value = model === undefined ? '' : (modelNamed(model)?.name ?? OTHER);
    this.updateDescriptions();
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
        return this.trans.__('Ignored: must be on, off or a number of tokens.');
      default:
        return this.trans.__('Ignored: must be text.');
    }
  }
}

function modelOptions(trans: Translation, unset: string): HTMLOptionElement[] {
  const options = CATALOGUE.map(
    (model) => new Option(`${model.name} · ${describeModel(model, trans)}`, model.name),
  );
  return [new Option(unset, ''), ...options, new Option(trans.__('another…'), OTHER)];
}

function hasOption({ options }: HTMLSelectElement, value: string): boolean {
  return [...options].some((option) => option.value === value);
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
