// Lists the rules about tool calls that hold until the kernel ends, each with a button that removes it.
// It does not depend on Jupyter.
import type { StandingRule } from '../protocol';
import { fill, type Translation } from '../renderer/strings';

export class StandingRules {
  readonly el = document.createElement('section');
  private readonly list = document.createElement('ul');
  private readonly title = document.createElement('h3');

  /** `forget` removes the rule with an id and returns the others, or null if the kernel did not answer. */
  constructor(
    private readonly trans: Translation,
    private readonly forget: (id: string) => Promise<readonly StandingRule[] | null>,
  ) {
    this.title.textContent = trans.__('Permissions until the kernel ends');
    this.title.tabIndex = -1;
    this.el.className = 'mm-picker-rules';
    this.el.append(this.title, this.list);
    this.show([]);
  }

  /** Show the rules. Without any, nothing is shown. */
  show(rules: readonly StandingRule[]): void {
    this.el.hidden = rules.length === 0;
    this.fill(rules);
  }

  private fill(rules: readonly StandingRule[]): void {
    const none = document.createElement('li');
    none.textContent = this.trans.__('None.');
    this.list.replaceChildren(...(rules.length ? rules.map((rule) => this.item(rule)) : [none]));
  }

  private item(rule: StandingRule): HTMLElement {
    const item = document.createElement('li');
    const text = document.createElement('code');
    const button = document.createElement('button');
    text.textContent = rule.text;
    button.type = 'button';
    button.textContent = this.trans.__('Forget');
    button.setAttribute('aria-label', fill(this.trans.__('Forget: {rule}'), { rule: rule.text }));
    button.addEventListener('click', () => {
      void this.remove(rule, button);
    });
    item.append(text, button);
    return item;
  }

  private async remove(rule: StandingRule, button: HTMLButtonElement): Promise<void> {
    const place = [...this.list.querySelectorAll('button')].indexOf(button);
    if (button.ariaBusy === 'true') return;
    button.ariaBusy = 'true';
    const rules = await this.forget(rule.id);
    button.ariaBusy = 'false';
    if (!rules) {
      button.textContent = this.trans.__('No answer. Try again');
      return;
    }
    this.fill(rules);
    const buttons = this.list.querySelectorAll('button');
    (buttons[Math.min(place, buttons.length - 1)] ?? this.title).focus();
  }
}
