// A row of the form: a labelled control with a button. Below it are the effective value, and an error.

import { uniqueId } from './unique-id';

export type Control = HTMLInputElement | HTMLSelectElement | HTMLTextAreaElement;

export class Row {
  readonly el = document.createElement('div');
  readonly button = document.createElement('button');
  private readonly hintEl = document.createElement('div');
  private readonly problemEl = document.createElement('div');

  /** `el` is what contains the control, if that is not the control itself. */
  constructor(
    readonly label: string,
    readonly control: Control,
    el: HTMLElement = control,
  ) {
    const id = uniqueId();
    const labelEl = document.createElement('label');
    labelEl.textContent = label;
    labelEl.htmlFor = control.id = id;
    this.hintEl.id = `${id}-hint`;
    this.hintEl.className = 'mm-picker-hint';
    this.problemEl.id = `${id}-problem`;
    this.problemEl.className = 'mm-picker-problem';
    this.problemEl.setAttribute('role', 'alert');
    this.button.type = 'button';
    control.setAttribute('aria-describedby', `${this.hintEl.id} ${this.problemEl.id}`);
    this.el.className = 'mm-picker-row';
    this.el.append(labelEl, el, this.button, this.hintEl, this.problemEl);
  }

  /**
   * Show what the button does. It is never hidden: a change can take place while Tab moves the focus to it, and the focus
   * would be lost.
   */
  showButton(text: string, label: string, isEnabled: boolean): void {
    this.button.textContent = text;
    this.button.title = label;
    this.button.setAttribute('aria-label', label);
    this.button.setAttribute('aria-disabled', String(!isEnabled));
    this.button.tabIndex = isEnabled ? 0 : -1;
  }

  set hint(text: string) {
    if (this.hintEl.textContent !== text) this.hintEl.textContent = text;
  }

  set problem(text: string) {
    if (this.problemEl.textContent !== text) this.problemEl.textContent = text;
    this.control.setAttribute('aria-invalid', String(text !== ''));
  }
}
