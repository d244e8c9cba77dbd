// Asks the user whether a tool may be called, with a button for each answer.
// It never takes the focus and has no default answer, so a call is allowed only by pressing its button.
import { element } from '../element';
import type { CallChange, DecideMessage } from '../../protocol';
import { t } from '../strings';
import { visible } from '../visible-characters';

export type Decision = Omit<DecideMessage, 'type' | 'id' | 'input'>;

/** `input` are the displayed arguments, as the kernel sent them. */
export type Decide = (id: string, input: string, decision: Decision) => void;

function button(text: string, act: () => void): HTMLButtonElement {
  const el = element('button', 'mm-button', text);
  el.type = 'button';
  el.addEventListener('click', act);
  return el;
}

export class ApprovalView {
  readonly el: HTMLElement;
  private readonly controls: readonly (HTMLButtonElement | HTMLInputElement)[];

  constructor({ risk, always }: CallChange, decide: (decision: Decision) => void) {
    const reason = element('input', 'mm-reason');
    reason.type = 'text';
    reason.placeholder = t('ask.reason');
    reason.setAttribute('aria-label', t('ask.reason'));
    const allow = (allowAlways: boolean) => (): void => {
      decide({ allowed: true, always: allowAlways, reason: '' });
    };
    const deny = (): void => {
      decide({ allowed: false, always: false, reason: reason.value.trim() });
    };
    reason.addEventListener('keydown', (event) => {
      // The notebook must not take these keys for shortcuts.
      event.stopPropagation();
      if (event.key === 'Enter') deny();
    });
    const allowOnce = button(t('ask.once'), allow(false));
    const allowAlways = button(
      always === undefined ? t('ask.always') : visible(always),
      allow(true),
    );
    const denyButton = button(t('ask.deny'), deny);
    this.controls = [allowOnce, allowAlways, denyButton, reason];
    const question = element('p', 'mm-question', t('ask.question'));
    if (risk) question.append(` ${visible(risk)}`);
    this.el = element('div', 'mm-ask', question, element('div', 'mm-choices', ...this.controls));
    this.el.setAttribute('role', 'group');
    this.el.setAttribute('aria-label', t('ask.question'));
  }

  setEnabled(enabled: boolean): void {
    for (const control of this.controls) control.disabled = !enabled;
  }
}
