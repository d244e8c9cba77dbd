// A row of the form: a labelled control, with a hint and an error message below it.

export type Control = HTMLInputElement | HTMLSelectElement | HTMLTextAreaElement;

let count = 0;

export class Row {
  readonly el = document.createElement('div');
  private readonly hintEl = document.createElement('div');
  private readonly problemEl = document.createElement('div');

  constructor(
    label: string,
    readonly control: Control,
  ) {
    const id = `mm-picker-${++count}`;
    const labelEl = document.createElement('label');
    labelEl.textContent = label;
    labelEl.htmlFor = control.id = id;
    this.hintEl.id = `${id}-hint`;
    this.hintEl.className = 'mm-picker-hint';
    this.problemEl.id = `${id}-problem`;
    this.problemEl.className = 'mm-picker-problem';
    this.problemEl.setAttribute('role', 'alert');
    control.setAttribute('aria-describedby', `${this.hintEl.id} ${this.problemEl.id}`);
    this.el.className = 'mm-picker-row';
    this.el.append(labelEl, control, this.hintEl, this.problemEl);
  }

  set hint(text: string) {
    this.hintEl.textContent = text;
  }

  set problem(text: string) {
    this.problemEl.textContent = text;
    this.control.setAttribute('aria-invalid', String(text !== ''));
  }
}
