// An editable combobox for a model, after the pattern of the ARIA Authoring Practices Guide: a text field for any name,
// and a list of the known models with what is known about each, filtered by what is typed.
import { element } from '../renderer/element';
import { visible } from '../renderer/visible-characters';
import { uniqueId } from './unique-id';

/** A model in the list. `details` are read with the name. */
export interface ModelOption {
  readonly name: string;
  readonly details: string;
}

export class ModelCombobox {
  readonly el = element('div', 'mm-picker-combobox');
  readonly input = document.createElement('input');
  private readonly list = element('ul', 'mm-picker-models');
  private readonly id = uniqueId();
  private options: readonly ModelOption[] = [];
  private active = -1;

  /** `onChoose` is called when the user has chosen an option or entered a name. */
  constructor(
    label: string,
    private readonly onChoose: () => void,
  ) {
    const { input, list } = this;
    list.id = this.id;
    list.hidden = true;
    list.setAttribute('role', 'listbox');
    list.setAttribute('aria-label', label);
    input.type = 'text';
    input.autocomplete = 'off';
    input.spellcheck = false;
    input.setAttribute('role', 'combobox');
    input.setAttribute('aria-autocomplete', 'list');
    input.setAttribute('aria-controls', this.id);
    input.setAttribute('aria-expanded', 'false');
    input.addEventListener('input', () => {
      this.open(input.value);
    });
    input.addEventListener('click', () => {
      if (list.hidden) this.open('');
    });
    input.addEventListener('keydown', (event) => {
      this.handleKey(event);
    });
    input.addEventListener('change', onChoose);
    input.addEventListener('blur', () => {
      this.close();
    });
    // The field keeps the focus.
    list.addEventListener('mousedown', (event) => {
      event.preventDefault();
    });
    list.addEventListener('click', ({ target }) => {
      const at = target instanceof Element ? target.closest('li') : null;
      if (at) this.choose([...list.children].indexOf(at));
    });
    this.el.append(input, list);
  }

  /** Replace the models in the list. */
  offer(options: readonly ModelOption[]): void {
    this.options = options;
    if (!this.list.hidden) this.open(this.input.value);
  }

  /** Open the list with the models whose name contains this text. */
  private open(typed: string): void {
    const text = typed.trim().toLowerCase();
    const found = this.options.filter(({ name }) => name.toLowerCase().includes(text));
    this.list.replaceChildren(...found.map((option, at) => this.item(option, at)));
    this.list.hidden = found.length === 0;
    this.input.setAttribute('aria-expanded', String(!this.list.hidden));
    this.activate(-1);
  }

  private item({ name, details }: ModelOption, at: number): HTMLElement {
    const item = element('li', '', element('span', 'mm-picker-model', visible(name)));
    if (details) item.append(' ', element('span', 'mm-picker-hint', details));
    item.id = `${this.id}-${at}`;
    item.dataset['name'] = name;
    item.setAttribute('role', 'option');
    item.setAttribute('aria-selected', 'false');
    return item;
  }

  private close(): void {
    this.list.hidden = true;
    this.input.setAttribute('aria-expanded', 'false');
    this.activate(-1);
  }

  /** Make an option the active one; -1 for none. */
  private activate(at: number): void {
    this.list.children[this.active]?.setAttribute('aria-selected', 'false');
    this.active = at;
    const item = this.list.children[at];
    if (item) {
      item.setAttribute('aria-selected', 'true');
      item.scrollIntoView({ block: 'nearest' });
      this.input.setAttribute('aria-activedescendant', item.id);
    } else this.input.removeAttribute('aria-activedescendant');
  }

  private choose(at: number): void {
    const item = this.list.children[at];
    this.close();
    if (!(item instanceof HTMLElement)) return;
    this.input.value = item.dataset['name'] ?? '';
    this.onChoose();
  }

  private handleKey(event: KeyboardEvent): void {
    const isOpen = !this.list.hidden;
    const last = this.list.children.length - 1;
    switch (event.key) {
      case 'ArrowDown':
      case 'ArrowUp':
        event.preventDefault();
        if (!isOpen) this.open('');
        if (event.altKey) return;
        if (!isOpen) this.activate(event.key === 'ArrowDown' ? 0 : this.list.children.length - 1);
        else if (event.key === 'ArrowDown') this.activate(this.active < last ? this.active + 1 : 0);
        else this.activate(this.active > 0 ? this.active - 1 : last);
        return;
      case 'Enter':
        event.preventDefault();
        if (isOpen && this.active >= 0) this.choose(this.active);
        else {
          this.close();
          this.onChoose();
        }
        return;
      case 'Escape':
        // With an open list, Escape closes only the list.
        if (!isOpen) return;
        event.preventDefault();
        event.stopPropagation();
        this.close();
    }
  }
}
