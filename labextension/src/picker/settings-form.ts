// The form for the settings of a notebook (in the toolbar) or of a kernel (`%minimax picker`).
// Each field shows the effective value and where it comes from. A field without a value of its own shows it in grey in
// the field, another one below it. It does not depend on Jupyter. An invalid value is reported and never saved.
import { modelNamed } from '../renderer/model-catalogue';
import { fill, type Translation } from '../renderer/strings';
import { visible } from '../renderer/visible-characters';
import { Row, type Control } from './form-row';
import { ModelCombobox } from './model-combobox';
import { describeModel, modelOptions, type ModelFacts } from './model-description';
import {
  change,
  effectiveSetting,
  format,
  isValid,
  KERNEL_NAMES,
  NOT_SENT,
  NOTEBOOK_NAMES,
  parse,
  thinkingChoices,
  type EffectiveSettings,
  type Level,
  type Name,
  type Settings,
} from './settings';
import { uniqueId } from './unique-id';

/** What the kernel has sent; {} before that. */
export interface Facts extends ModelFacts {
  readonly settings?: EffectiveSettings | undefined;
  /** The flags of the selected cell, by the settings that they replace. */
  readonly flags?: Partial<Record<Name, string>>;
  readonly threads?: readonly string[] | undefined;
  readonly tools?: readonly string[] | undefined;
  /** Which of the selected tools require approval. */
  readonly approvals?: string | undefined;
}

export class SettingsForm {
  readonly el = document.createElement('form');
  private readonly names: readonly Name[];
  private readonly models: ModelCombobox;
  private readonly rows: Readonly<Record<Name, Row>>;
  private readonly threads = document.createElement('datalist');
  private readonly tools = document.createElement('datalist');
  private current: Settings = {};
  private facts: Facts = {};
  /** The field in which the user is typing. */
  private typed: Name | null = null;

  /** `onChange` is called with all values that the form has set, after each valid change. */
  constructor(
    private readonly trans: Translation,
    private readonly level: Level,
    private readonly onChange: (settings: Settings) => void,
  ) {
    this.names = level === 'kernel' ? KERNEL_NAMES : NOTEBOOK_NAMES;
    this.models = new ModelCombobox(trans.__('Models'), () => {
      this.applyField('model');
    });
    this.models.input.autofocus = true;
    this.rows = {
      model: new Row(trans.__('Model'), this.models.input, this.models.el),
      thinking: new Row(trans.__('Thinking'), document.createElement('select')),
      temperature: new Row(trans.__('Temperature'), input('decimal')),
      top_p: new Row(trans.__('top_p'), input('decimal')),
      max_tokens: new Row(trans.__('Max tokens'), input('numeric')),
      system: new Row(trans.__('System prompt'), textarea()),
      thread: new Row(trans.__('Thread'), input('text', this.threads)),
      tools: new Row(trans.__('Tools'), input('text', this.tools)),
    };
    this.el.className = 'mm-picker-form';
    this.el.append(...this.names.map((name) => this.rows[name].el), this.footer());
    this.el.addEventListener('submit', (event) => {
      event.preventDefault();
    });
    for (const name of this.names) {
      const { control, button } = this.rows[name];
      button.addEventListener('click', () => {
        if (button.getAttribute('aria-disabled') === 'true') return;
        this.set(name, this.current[name] === undefined ? null : undefined);
        control.focus();
      });
      control.addEventListener('input', () => {
        this.typed = name;
      });
      if (name !== 'model')
        control.addEventListener('change', () => {
          this.applyField(name);
        });
    }
    this.show({});
  }

  get settings(): Settings {
    return this.current;
  }

  /** Show what the kernel has sent. */
  showFacts(facts: Facts): void {
    this.facts = facts;
    this.models.offer(modelOptions(facts, this.trans));
    const { threads = [], tools = [] } = facts;
    this.threads.replaceChildren(...threads.map((name) => new Option(name)));
    const selected = format('tools', this.current['tools'] ?? []);
    const lists = tools.map((name) => (selected ? `${selected}, ${name}` : name));
    this.tools.replaceChildren(...lists.map((list) => new Option(list)));
    this.update();
  }

  /** Show these values of the form. A field that the user is typing in stays as it is. */
  show(settings: Settings): void {
    this.current = settings;
    this.models.offer(modelOptions(this.facts, this.trans));
    this.update();
  }

  private applyField(name: Name): void {
    const row = this.rows[name];
    const value = parse(name, row.control.value);
    this.typed = null;
    // An empty field that was empty before leaves the setting as it is elsewhere.
    if (this.current[name] === undefined && row.control.value.trim() === '') this.update();
    else if (value === undefined || isValid(name, value)) this.set(name, value);
    else row.problem = this.ruleOf(name);
  }

  private set(name: Name, value: unknown): void {
    const isChanged = JSON.stringify(value) !== JSON.stringify(this.current[name]);
    this.current = change(this.current, name, value);
    this.update();
    if (isChanged) this.onChange(this.current);
  }

  private update(): void {
    this.offerThinking();
    for (const name of this.names) {
      const row = this.rows[name];
      const own = this.current[name];
      const has = own !== undefined;
      if (this.typed === name) continue;
      row.control.value = format(name, own);
      const refused = visible(this.facts.settings?.[name]?.refused ?? '');
      row.problem = !has || isValid(name, own) ? refused : this.ruleOf(name);
      this.showButton(name);
      const effective = this.effective(name);
      const isEmpty = row.control.value === '';
      if (!(row.control instanceof HTMLSelectElement))
        row.control.placeholder = isEmpty ? effective : '';
      row.hint = [isEmpty ? '' : effective, this.flag(name), this.note(name)]
        .filter(Boolean)
        .join(' · ');
    }
  }

  /** The button of a row removes its value. Without one, a number that need not be sent can be left out. */
  private showButton(name: Name): void {
    const row = this.rows[name];
    const has = this.current[name] !== undefined;
    const isSent = this.found(name)?.shown !== NOT_SENT;
    const label = { setting: row.label };
    if (!has && isSent && (name === 'temperature' || name === 'top_p'))
      row.showButton(
        this.trans.__('Do not send'),
        fill(this.trans.__('Do not send: {setting}'), label),
        true,
      );
    else row.showButton('↺', fill(this.trans.__('Reset {setting}'), label), has);
  }

  /** Return the effective value of a setting and its source, such as `1.0, default`. */
  private effective(name: Name): string {
    const found = this.found(name);
    return found
      ? this.withSource(shortened(found.shown), found.source)
      : this.trans.__('not known yet');
  }

  private found(name: Name): EffectiveSettings[string] | null {
    return effectiveSetting(name, this.level, this.current, this.facts.settings ?? {});
  }

  private withSource(value: string, source: string): string {
    if (value === NOT_SENT && source === 'default') return this.trans.__('endpoint default');
    const texts: Readonly<Record<string, string>> = {
      default: this.trans.__('default'),
      notebook: this.trans.__('notebook'),
      environment: this.trans.__('environment'),
      'set in this kernel': this.trans.__('set in this kernel'),
      'IPython configuration': this.trans.__('IPython configuration'),
    };
    const shown = value === NOT_SENT ? this.trans.__('endpoint default') : visible(value);
    return fill(this.trans.__('{value}, {source}'), {
      value: shown || this.trans.__('none'),
      source: texts[source] ?? visible(source),
    });
  }

  /** Return the value that the selected cell uses instead, or ''. */
  private flag(name: Name): string {
    const value = this.facts.flags?.[name];
    if (value === undefined) return '';
    return fill(this.trans.__('{value}, flag of the selected cell'), {
      value: visible(shortened(value)),
    });
  }

  /** Return what else is worth knowing about a setting, or ''. */
  private note(name: Name): string {
    const model = this.effectiveModel;
    if (name === 'model') return model ? describeModel(model, this.facts, this.trans) : '';
    if (name === 'tools') return visible(this.facts.approvals ?? '');
    if (name !== 'thinking' || modelNamed(model)?.thinking !== 'always') return '';
    const text =
      this.current['thinking'] === 'off'
        ? this.trans.__('{model} always thinks; the endpoint ignores “off”.')
        : this.trans.__('{model} always thinks.');
    return fill(text, { model });
  }

  private get effectiveModel(): string {
    return this.found('model')?.shown ?? '';
  }

  /** Offer what makes a difference for the effective model, and the current value. */
  private offerThinking(): void {
    const { control } = this.rows.thinking;
    const current = format('thinking', this.current['thinking']);
    const values = new Set(thinkingChoices(modelNamed(this.effectiveModel))).add(current);
    values.delete('');
    const labels = thinkingLabels(this.trans);
    const options = [...values].map((value) => new Option(labels[value] ?? value, value));
    const unset = current === '' ? this.effective('thinking') : this.trans.__('unset');
    control.replaceChildren(new Option(unset, ''), ...options);
    control.classList.toggle('mm-picker-unset', current === '');
  }

  private footer(): HTMLElement {
    const footer = document.createElement('div');
    const note = document.createElement('div');
    const button = document.createElement('button');
    note.className = 'mm-picker-hint';
    note.textContent =
      this.level === 'notebook'
        ? this.trans.__(
            'Saved in this notebook. Cell flags and %minimax set override these settings.',
          )
        : this.trans.__(
            'Set until the kernel ends, over those of the notebook. Cell flags override them.',
          );
    button.type = 'button';
    button.textContent = this.trans.__('Reset all');
    button.title =
      this.level === 'notebook'
        ? this.trans.__('Remove all settings of this notebook')
        : this.trans.__('Remove all settings of this kernel');
    button.addEventListener('click', () => {
      for (const name of this.names) this.current = change(this.current, name, undefined);
      this.update();
      this.onChange(this.current);
    });
    footer.className = 'mm-picker-foot';
    footer.append(note, button, this.threads, this.tools);
    return footer;
  }

  private ruleOf(name: Name): string {
    switch (name) {
      case 'temperature':
      case 'top_p':
        return this.trans.__(
          'Ignored: must be above 0 and at most 1, such as 0.7; empty is not sent.',
        );
      case 'max_tokens':
        return this.trans.__('Ignored: must be a whole number of at least 1.');
      case 'thinking':
        return this.trans.__('Ignored: must be on, off, an effort or a number of tokens.');
      default:
        return this.trans.__('Ignored: must be text.');
    }
  }
}

function shortened(text: string): string {
  return text.length > 60 ? `${text.slice(0, 60)}…` : text;
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

function input(inputMode: string, list?: HTMLDataListElement): HTMLInputElement {
  const el = document.createElement('input');
  el.type = 'text';
  el.autocomplete = 'off';
  el.spellcheck = false;
  if (list) {
    list.id ||= uniqueId();
    el.setAttribute('list', list.id);
  }
  return Object.assign(el, { inputMode });
}

function textarea(): Control {
  const el = document.createElement('textarea');
  el.rows = 3;
  return el;
}
