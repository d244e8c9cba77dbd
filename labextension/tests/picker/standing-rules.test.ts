// The list of rules about tool calls, as a user sees it, without Jupyter.
import { beforeEach, expect, it } from 'vitest';
import { StandingRules } from '../../src/picker/standing-rules';
import type { StandingRule } from '../../src/protocol';

const english = { __: (text: string): string => text };
const RULES: readonly StandingRule[] = [
  { id: '1', text: "allow shell command='git *'" },
  { id: '2', text: 'deny <img src=x>' },
  { id: '3', text: 'ask read_file' },
];
let left: readonly StandingRule[] | null;
let forgotten: string[];
let view: StandingRules;

beforeEach(() => {
  left = RULES;
  forgotten = [];
  view = new StandingRules(english, (id) => {
    forgotten.push(id);
    if (left) left = left.filter((rule) => rule.id !== id);
    return Promise.resolve(left);
  });
  document.body.replaceChildren(view.el);
  view.show(RULES);
});

const buttons = (): HTMLButtonElement[] => [...view.el.querySelectorAll('button')];
const texts = (): string[] => [...view.el.querySelectorAll('code')].map((each) => each.textContent);

async function press(number: number): Promise<void> {
  buttons()[number]!.focus();
  buttons()[number]!.click();
  await new Promise((resolve) => setTimeout(resolve));
}

it('shows each rule as text, with a button that names it', () => {
  expect(texts()).toEqual(RULES.map(({ text }) => text));
  expect(view.el.querySelector('img')).toBeNull();
  expect(buttons().map((each) => each.getAttribute('aria-label'))).toEqual(
    RULES.map(({ text }) => `Forget: ${text}`),
  );
});

it('removes the rule of the button, and moves the focus to the next one', async () => {
  await press(1);
  expect(forgotten).toEqual(['2']);
  expect(texts()).toEqual([RULES[0]!.text, RULES[2]!.text]);
  expect(document.activeElement).toBe(buttons()[1]);
  await press(1);
  expect(document.activeElement).toBe(buttons()[0]);
});

it('keeps the focus after the last rule, and is hidden without rules', async () => {
  view.show([RULES[0]!]);
  left = [RULES[0]!];
  await press(0);
  expect(view.el.textContent).toContain('None.');
  expect(view.el.contains(document.activeElement)).toBe(true);
  view.show([]);
  expect(view.el.hidden).toBe(true);
});

it('keeps a rule if the kernel does not answer, and says so', async () => {
  left = null;
  await press(0);
  expect(texts()).toHaveLength(3);
  expect(buttons()[0]!.textContent).toBe('No answer. Try again');
  expect(document.activeElement).toBe(buttons()[0]);
});

it('sends one request for a double click', async () => {
  buttons()[0]!.click();
  await press(0);
  expect(forgotten).toEqual(['1']);
});
