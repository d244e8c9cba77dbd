// Asks the user whether a tool may be called: shows the call exactly as the kernel describes it, and a button for each
// answer.
// It never takes the focus and has no default answer, so a call is allowed only by pressing its button. The buttons wait
// for a moment, because a click that was meant for something else may hit them as they appear, and those that allow the
// call wait until it was shown to its end.
import { CallView } from './call-view';
import { element } from '../element';
import type { CallQuestion, DecideMessage } from '../../protocol';
import { t } from '../strings';

export type Decision = Omit<DecideMessage, 'type' | 'question' | 'sha256'>;

export type Decide = (question: CallQuestion, decision: Decision) => void;

/** How long the buttons ignore clicks after they appeared. */
export const WAIT_MS = 500;

export class ApprovalView {
  readonly el: HTMLElement;
  readonly call: CallView;
  private readonly allowing: readonly HTMLButtonElement[];
  private readonly denying: readonly (HTMLButtonElement | HTMLInputElement)[];
  private readonly hint = element('p', 'mm-muted mm-scroll-hint', t('ask.scroll'));
  private readonly unseen: Set<HTMLElement>;
  private readonly observer: ResizeObserver | null;
  private ready = false;
  private enabled = false;
  private timer: ReturnType<typeof setTimeout> | undefined;

  constructor(question: CallQuestion, decide: (decision: Decision) => void) {
    const reason = element('input', 'mm-reason');
    reason.type = 'text';
    reason.placeholder = t('ask.reason');
    reason.setAttribute('aria-label', t('ask.reason'));
    const act = (action: () => void) => (): void => {
      if (this.ready && this.enabled) action();
    };
    const allow = (always: boolean) =>
      act(() => {
        if (this.unseen.size === 0) decide({ allowed: true, always, reason: '' });
      });
    const deny = act(() => {
      decide({ allowed: false, always: false, reason: reason.value.trim() });
    });
    reason.addEventListener('keydown', (event) => {
      // The notebook must not take these keys for shortcuts.
      event.stopPropagation();
      if (event.key === 'Enter') deny();
    });
    this.allowing = [button(t('ask.once'), allow(false)), button(question.always, allow(true))];
    this.denying = [button(t('ask.deny'), deny), reason];
    this.call = new CallView(question.parts);
    this.unseen = new Set(this.call.boxes);
    for (const box of this.call.boxes)
      box.addEventListener('scroll', () => {
        this.refresh();
      });
    this.observer =
      typeof ResizeObserver === 'undefined'
        ? null
        : new ResizeObserver(() => {
            this.refresh();
          });
    for (const box of this.call.boxes) this.observer?.observe(box);
    const text = element('p', 'mm-question', t('ask.question'), ' ');
    text.append(element('code', 'mm-call-name', question.name), ` ${question.risk}`);
    const choices = element('div', 'mm-choices', ...this.allowing, ...this.denying);
    this.el = element('div', 'mm-ask', text, this.call.el, this.hint, choices);
    this.el.setAttribute('role', 'group');
    this.el.setAttribute('aria-label', t('ask.question'));
    this.setEnabled(true);
  }

  setEnabled(enabled: boolean): void {
    if (enabled && !this.enabled) {
      this.ready = false;
      clearTimeout(this.timer);
      this.timer = setTimeout(() => {
        this.ready = true;
        this.refresh();
      }, WAIT_MS);
    }
    this.enabled = enabled;
    this.refresh();
  }

  dispose(): void {
    clearTimeout(this.timer);
    this.observer?.disconnect();
    this.el.remove();
  }

  private refresh(): void {
    for (const box of this.unseen) if (isAtEnd(box)) this.unseen.delete(box);
    const answers = this.ready && this.enabled;
    for (const each of this.denying) each.disabled = !answers;
    for (const each of this.allowing) each.disabled = !answers || this.unseen.size > 0;
    this.hint.hidden = !this.ready || this.unseen.size === 0;
  }
}

/** Return whether the end of the text is shown, or was scrolled to. */
function isAtEnd(box: HTMLElement): boolean {
  return box.isConnected && box.scrollTop + box.clientHeight >= box.scrollHeight - 4;
}

function button(text: string, act: () => void): HTMLButtonElement {
  const el = element('button', 'mm-button', text);
  el.type = 'button';
  el.addEventListener('click', act);
  return el;
}
