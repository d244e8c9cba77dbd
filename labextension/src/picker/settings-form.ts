// The notebook's own settings as a form. An empty field leaves its setting to the kernel.
// Always true: it knows nothing of Jupyter; what does not hold is said beside its field and never handed on.
import { CATALOGUE, modelNamed } from '../renderer/model-catalogue';
import type { Translation } from '../renderer/strings';
import { figures, meaning } from './settings-summary';
import { Row, type Control } from './form-row';
import { change, isValid, NAMES, parse, reset, write, type Name, type Settings } from './settings';

/** The choice, in the list of models, of one that is not in it. */
const OTHER = '…';

export class SettingsForm {
  readonly el = document.createElement('form');
  private readonly models: Row;
  private readonly rows: Readonly<Record<Name, Row>>;
  private readonly line = document.createElement('div');
  private current: Settings = {};

  /** `changed` is called with the settings after each change that holds. */
  constructor(
    private readonly trans: Translation,
    private readonly changed: (settings: Settings) => void,
  ) {
    const unset = trans.__('as the kernel has it');
    this.models = new Row(trans.__('Model'), select(...modelOptions(trans, unset)));
    this.models.control.autofocus = true;
    this.rows = {
      model: new Row(trans.__('Model’s name'), input(trans.__('as the endpoint calls it'))),
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
    this.line.className = 'mm-picker-meaning';
    this.line.setAttribute('role', 'status');
    this.el.className = 'mm-picker-form';
    this.el.append(
      this.models.el,
      ...NAMES.map((name) => this.rows[name].el),
      this.line,
      this.foot(),
    );
    this.models.control.addEventListener('change', () => {
      this.choose(this.models.control.value);
    });
    for (const name of NAMES)
      this.rows[name].control.addEventListener('change', () => {
        this.take(name);
      });
    this.show({});
  }

  get settings(): Settings {
    return this.current;
  }

  /** Fill every field with what is set. */
  show(settings: Settings): void {
    this.current = settings;
    const { control } = this.rows.thinking;
    const thinking = write(settings['thinking']);
    if (control instanceof HTMLSelectElement && !offers(control, thinking)) {
      control.add(new Option(thinking));
    }
    for (const name of NAMES) {
      const value = settings[name];
      this.rows[name].control.value = write(value);
      this.rows[name].problem = value === undefined || isValid(name, value) ? '' : this.rule(name);
    }
    const model = settings['model'];
    this.models.control.value = model === undefined ? '' : (modelNamed(model)?.name ?? OTHER);
    this.tell();
  }

  private foot(): HTMLElement {
    const foot = document.createElement('div');
    const note = document.createElement('div');
    const button = document.createElement('button');
    note.className = 'mm-picker-hint';
    note.textContent = this.trans.__(
      'Kept in this notebook. What a cell or %minimax set says comes first.',
    );
    button.type = 'button';
    button.textContent = this.trans.__('Reset');
    button.title = this.trans.__('Leave everything to the kernel');
    button.addEventListener('click', () => {
      this.show(reset(this.current));
      this.changed(this.current);
    });
    foot.className = 'mm-picker-foot';
    foot.append(note, button);
    return foot;
  }

  /** A model of the list, the kernel's, or one that is named next. */
  private choose(name: string): void {
    if (name !== OTHER) {
      this.rows.model.control.value = name;
      this.take('model');
    }
    this.tell();
  }

  private take(name: Name): void {
    const row = this.rows[name];
    const value = parse(name, row.control.value);
    const holds = value === null || isValid(name, value);
    row.problem = holds ? '' : this.rule(name);
    if (!holds) return;
    this.current = change(this.current, name, value);
    this.changed(this.current);
    this.tell();
  }

  private tell(): void {
    const chosen = this.models.control.value;
    const model = modelNamed(chosen);
    this.models.hint = model ? figures(model, this.trans) : '';
    this.rows.model.el.hidden = chosen !== OTHER;
    this.line.textContent = meaning(this.current, this.trans);
  }

  private rule(name: Name): string {
    switch (name) {
      case 'temperature':
      case 'top_p':
        return this.trans.__('Not used: it must be above 0 and at most 1, such as 0.7.');
      case 'max_tokens':
        return this.trans.__('Not used: it must be a whole number from 1 upwards.');
      case 'thinking':
        return this.trans.__('Not used: it must be on, off or a number of tokens.');
      default:
        return this.trans.__('Not used: it must be a text.');
    }
  }
}

function modelOptions(trans: Translation, unset: string): HTMLOptionElement[] {
  const known = CATALOGUE.map(
    (model) => new Option(`${model.name} · ${figures(model, trans)}`, model.name),
  );
  return [new Option(unset, ''), ...known, new Option(trans.__('another…'), OTHER)];
}

function offers({ options }: HTMLSelectElement, value: string): boolean {
  return [...options].some((option) => option.value === value);
}

function select(...options: HTMLOptionElement[]): HTMLSelectElement {
  const made = document.createElement('select');
  made.append(...options);
  return made;
}

function input(placeholder: string, inputMode = 'text'): HTMLInputElement {
  const made = document.createElement('input');
  made.type = 'text';
  made.autocomplete = 'off';
  made.spellcheck = false;
  return Object.assign(made, { placeholder, inputMode });
}

function textarea(placeholder: string): Control {
  const made = document.createElement('textarea');
  made.rows = 3;
  return Object.assign(made, { placeholder });
}
