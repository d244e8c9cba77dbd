// The question whether a tool may be called, with the buttons that answer it.
// Always true: it takes neither focus nor a default; nothing is allowed but by its own button.
import { element } from '../markdown/decorate-html';
import type { CallChange, DecideMessage } from '../../protocol';
import { t } from '../strings';
import { visible } from '../visible-characters';

export type Decision = Omit<DecideMessage, 'type' | 'id'>;

export type Decide = (id: string, decision: Decision) => void;

function button(text: string, act: () => void): HTMLButtonElement {
  const made = element('button', 'mm-button', text);
  made.type = 'button';
  made.addEventListener('click', act);
  return made;
}

export class AskingView {
  readonly el: HTMLElement;
  private readonly controls: readonly (HTMLButtonElement | HTMLInputElement)[];

  constructor({ risk, always }: CallChange, decide: (decision: Decision) => void) {
    const reason = element('input', 'mm-reason');
    reason.type = 'text';
    reason.placeholder = t('ask.reason');
    reason.setAttribute('aria-label', t('ask.reason'));
    const allow = (forGood: boolean) => (): void => {
      decide({ allowed: true, always: forGood, reason: '' });
    };
    const deny = (): void => {
      decide({ allowed: false, always: false, reason: reason.value.trim() });
    };
    reason.addEventListener('keydown', (event) => {
      // The notebook has keys of its own.
      event.stopPropagation();
      if (event.key === 'Enter') deny();
    });
    const once = button(t('ask.once'), allow(false));
    const forGood = button(always === undefined ? t('ask.always') : visible(always), allow(true));
    const no = button(t('ask.deny'), deny);
    this.controls = [once, forGood, no, reason];
    const question = element('p', 'mm-question', t('ask.question'));
    if (risk) question.append(` ${visible(risk)}`);
    this.el = element('div', 'mm-ask', question, element('div', 'mm-choices', ...this.controls));
    this.el.setAttribute('role', 'group');
    this.el.setAttribute('aria-label', t('ask.question'));
  }

  /** Whether it can be answered (still). */
  enable(enabled: boolean): void {
    for (const control of this.controls) control.disabled = !enabled;
  }
}
