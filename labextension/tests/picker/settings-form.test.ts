// The settings form as a user sees it, without Jupyter.
import { beforeEach, describe, expect, it, vi } from 'vitest';
import { SettingsForm, type Facts } from '../../src/picker/settings-form';
import type { Level, Settings } from '../../src/picker/settings';
import { CATALOGUE } from '../../src/renderer/model-catalogue';

const english = { __: (text: string): string => text };
let saved: Settings[];
let form: SettingsForm;

function open(level: Level): void {
  saved = [];
  form = new SettingsForm(english, level, (settings) => saved.push(settings));
  document.body.replaceChildren(form.el);
}

beforeEach(() => {
  open('notebook');
});

type Control = HTMLInputElement & HTMLSelectElement & HTMLTextAreaElement;

function control(label: string): Control {
  const found = [...document.querySelectorAll('label')].find((each) => each.textContent === label);
  return document.getElementById(found!.htmlFor) as Control;
}

function enter(label: string, value: string): void {
  control(label).value = value;
  control(label).dispatchEvent(new Event('change', { bubbles: true }));
}

function button(name: string): HTMLButtonElement {
  return [...document.querySelectorAll('button')].find(
    (each) => (each.getAttribute('aria-label') ?? each.textContent) === name,
  )!;
}

/** Return what a control shows in grey, below it, and as an error. */
function descriptionOf(label: string): string {
  const found = control(label);
  const ids = found.getAttribute('aria-describedby')!.split(' ');
  const below = ids.map((id) => document.getElementById(id)!.textContent).join('');
  const unset = found instanceof HTMLSelectElement && !found.value ? found.options[0]!.text : '';
  return [found.placeholder, unset, below].filter(Boolean).join(' | ');
}

const sent = (source: string, shown = 'one\u202e'): Facts => ({
  settings: Object.fromEntries(
    ['thread', 'system', 'temperature', 'thinking', 'model', 'tools'].map((name) => [
      name,
      { shown, source },
    ]),
  ),
});

describe('a field', () => {
  it.each([
    ['Temperature', ' 0.4 ', { temperature: 0.4 }],
    ['Temperature', '.5', { temperature: 0.5 }],
    ['top_p', '1', { top_p: 1 }],
    ['Max tokens', '4096', { max_tokens: 4096 }],
    ['System prompt', 'Be brief.\n', { system: 'Be brief.\n' }],
    ['Thread', ' side ', { thread: 'side' }],
    ['Thinking', 'off', { thinking: 'off' }],
    ['Model', 'MiniMax-M2.5', { model: 'MiniMax-M2.5' }],
    ['Model', 'mine', { model: 'mine' }],
  ])('%s saves %j', (label, text, settings) => {
    enter(label, text);
    enter(label, text);
    expect(saved).toEqual([settings]);
    expect(control(label).getAttribute('aria-invalid')).not.toBe('true');
  });

  it.each([
    ['Temperature', ['0', '1.01', '-1', 'hot', '0,5', 'NaN', 'Infinity', '1e-1']],
    ['top_p', ['0', '2', '-0.5', '0x1']],
    ['Max tokens', ['0', '-5', '1.5', 'many', '99999999999999999999']],
  ])('%s reports an invalid value beside it and does not save it', (label, values) => {
    enter(label, '1');
    for (const value of values) {
      enter(label, value);
      expect(descriptionOf(label)).toMatch(/Ignored: must be/);
      expect(control(label).getAttribute('aria-invalid')).toBe('true');
    }
    expect(saved).toHaveLength(1);
    enter(label, '1');
    expect(descriptionOf(label)).not.toMatch(/Ignored/);
  });

  it('shows what is used instead of a value that the administrator does not allow, and why', () => {
    const refused = 'model is locked by the administrator in /etc/ipython/ipython_config.py.';
    const source = 'locked in /etc/ipython/ipython_config.py';
    form.show({ model: 'MiniMax-M2' });
    form.showFacts({ settings: { model: { shown: 'MiniMax-M3', source, refused } } });
    expect(descriptionOf('Model')).toContain(`MiniMax-M3, ${source}`);
    expect(descriptionOf('Model')).toContain(refused);
    expect(control('Model').getAttribute('aria-invalid')).toBe('true');
    form.show({});
    form.showFacts({ settings: { model: { shown: 'MiniMax-M3', source } } });
    expect(descriptionOf('Model')).not.toContain(refused);
  });

  it.each(['Temperature', 'top_p'])('%s can be empty, which is not 0', (label) => {
    const name = label.toLowerCase();
    enter(label, '');
    expect(saved).toEqual([]);
    enter(label, '0.4');
    enter(label, '');
    expect(saved.at(-1)).toEqual({ [name]: null });
    expect(descriptionOf(label)).toBe('endpoint default, notebook');
    button(`Reset ${label}`).click();
    expect(saved.at(-1)).toEqual({});
    button(`Do not send: ${label}`).click();
    expect(saved.at(-1)).toEqual({ [name]: null });
    expect(button(`Reset ${label}`).getAttribute('aria-disabled')).toBe('false');
  });

  it('that is emptied leaves its setting as it is elsewhere', () => {
    form.show({ max_tokens: 7, system: 'x', model: 'MiniMax-M2', thinking: 'on', thread: 'a' });
    enter('Max tokens', '');
    enter('System prompt', ' \n');
    enter('Model', '');
    enter('Thinking', '');
    enter('Thread', '');
    expect(saved.at(-1)).toEqual({});
  });

  it('has a button that resets it', () => {
    form.show({ thread: 'side', temperature: 0.4 });
    expect(button('Reset Max tokens').getAttribute('aria-disabled')).toBe('true');
    expect(button('Reset Max tokens').tabIndex).toBe(-1);
    button('Reset Max tokens').click();
    button('Reset Thread').click();
    expect(saved).toEqual([{ temperature: 0.4 }]);
    expect(control('Thread').value).toBe('');
    expect(document.activeElement).toBe(control('Thread'));
  });

  it('keeps what the user is typing when something else changes', () => {
    control('System prompt').value = 'Be b';
    control('System prompt').dispatchEvent(new Event('input', { bubbles: true }));
    form.showFacts(sent('default'));
    form.show({ thread: 'x' });
    expect(control('System prompt').value).toBe('Be b');
    expect(control('Thread').value).toBe('x');
  });
});

describe('the effective value and its source', () => {
  const labels = ['Thread', 'System prompt', 'Temperature', 'Thinking', 'Model'];

  it.each(['set in this kernel', 'IPython configuration', 'environment', 'default'])(
    'are shown in empty fields: %s',
    (source) => {
      form.showFacts(sent(source));
      for (const label of labels)
        expect(descriptionOf(label)).toMatch(new RegExp(`^one\\[U\\+202E\\], ${source}`));
    },
  );

  it('are shown below a field with a value', () => {
    form.showFacts(sent('default'));
    form.show({ thread: 'x', temperature: 0.4 });
    expect(descriptionOf('Thread')).toBe('x, notebook');
    expect(descriptionOf('Temperature')).toBe('0.4, notebook');
  });

  it('are those of the kernel if it has another value than the notebook', () => {
    form.show({ thread: 'x', temperature: 0.4, model: 'MiniMax-M2', thinking: 'off' });
    form.showFacts(sent('set in this kernel', 'mine'));
    for (const label of ['Thread', 'Temperature', 'Thinking', 'Model'])
      expect(descriptionOf(label)).toContain('mine, set in this kernel');
  });

  it('are not known before the kernel has sent them, and after a value was removed', () => {
    expect(descriptionOf('Thread')).toBe('not known yet');
    form.show({ thread: 'x' });
    form.showFacts(sent('notebook', 'x'));
    button('Reset Thread').click();
    expect(descriptionOf('Thread')).toBe('not known yet');
    form.showFacts(sent('default', 'main'));
    expect(descriptionOf('Thread')).toBe('main, default');
  });

  it('that is not sent is the endpoint default', () => {
    form.showFacts(sent('default', 'endpoint default'));
    expect(descriptionOf('Temperature')).toBe('endpoint default');
    form.showFacts(sent('environment', 'endpoint default'));
    expect(descriptionOf('Temperature')).toBe('endpoint default, environment');
  });

  it('have the same words for a kernel as for a notebook', () => {
    form.showFacts(sent('default', 'main'));
    const words = labels.map(descriptionOf);
    open('kernel');
    form.showFacts(sent('default', 'main'));
    expect(labels.map(descriptionOf)).toEqual(words);
    form.show({ thread: 'side' });
    expect(descriptionOf('Thread')).toBe('side, set in this kernel');
  });
});

describe('the settings', () => {
  it('are shown in every field', () => {
    const settings = {
      model: 'MiniMax-M2.1',
      thinking: 'on',
      temperature: 0.3,
      top_p: 0.9,
      max_tokens: 77,
      system: 'Be brief.',
      thread: 'side',
    };
    form.show(settings);
    const labels = Object.entries({
      Model: 'MiniMax-M2.1',
      Thinking: 'on',
      Temperature: '0.3',
      top_p: '0.9',
      'Max tokens': '77',
      'System prompt': 'Be brief.',
      Thread: 'side',
    });
    for (const [label, value] of labels) expect(control(label).value).toBe(value);
    expect(form.settings).toEqual(settings);
  });

  it('that are invalid are shown unchanged and reported as ignored', () => {
    form.show({ thread: '' });
    expect(descriptionOf('Thread')).toMatch(/Ignored/);
    form.show({ temperature: 0, max_tokens: '5', thinking: 'maybe', model: 5, thread: [1] });
    expect(control('Temperature').value).toBe('0');
    expect(control('Thread').value).toBe('[1]');
    for (const label of ['Temperature', 'Max tokens', 'Thinking', 'Model', 'Thread'])
      expect(descriptionOf(label)).toMatch(/Ignored/);
  });

  it('may contain a thinking budget', () => {
    form.show({ thinking: 2000 });
    expect(control('Thinking').value).toBe('2000');
    enter('Thinking', 'on');
    expect(saved).toEqual([{ thinking: 'on' }]);
  });

  it.each([
    ['MiniMax-M2.1', [], 'MiniMax-M2.1 always thinks.'],
    ['MiniMax-M3', ['on', 'off'], ''],
    ['MiniMax-M3.1-Flash', ['low', 'medium', 'high', 'xhigh', 'max'], ''],
    ['mine', ['on', 'off', 'adaptive', 'low', 'medium', 'high', 'xhigh', 'max'], ''],
  ])('offer for %s only the thinking that makes a difference: %j', (model, values, hint) => {
    const offered = (): string[] =>
      [...(control('Thinking') as HTMLSelectElement).options].map((option) => option.value);
    form.showFacts({ settings: { model: { shown: model, source: 'default' } } });
    expect(offered()).toEqual(['', ...values]);
    form.show({ model });
    expect(offered()).toEqual(['', ...values]);
    expect(descriptionOf('Thinking')).toContain(hint);
    form.show({ model: 'MiniMax-M2', thinking: 'off' });
    expect(offered()).toEqual(['', 'off']);
    expect(descriptionOf('Thinking')).toContain('always thinks; the endpoint ignores “off”.');
  });

  it('with unknown keys are left unchanged, even if all are reset', () => {
    form.show({ temperature: 0.4, later: { a: 1 } });
    enter('Thread', 'side');
    button('Reset all').click();
    expect(saved).toEqual([
      { temperature: 0.4, later: { a: 1 }, thread: 'side' },
      { later: { a: 1 } },
    ]);
    expect(control('Temperature').value).toBe('');
  });

  it('replace an invalid value in a field when they are shown again', () => {
    form.show({ temperature: 0.4 });
    enter('Temperature', '7');
    form.show(form.settings);
    expect(control('Temperature').value).toBe('0.4');
    expect(descriptionOf('Temperature')).toBe('0.4, notebook');
  });

  it('of a kernel include tools, with those that require approval', () => {
    expect(document.body.textContent).not.toContain('Tools');
    open('kernel');
    form.show({ tools: ['python'] });
    form.showFacts({
      ...sent('set in this kernel', 'python'),
      tools: ['shell'],
      approvals: 'a\u202e',
    });
    expect(control('Tools').value).toBe('python');
    expect(descriptionOf('Tools')).toBe('python, set in this kernel · a[U+202E]');
    const lists = [...document.querySelectorAll('datalist option')].map((each) => each.textContent);
    expect(lists).toContain('python, shell');
    enter('Tools', 'python,  shell ,');
    expect(saved.at(-1)).toEqual({ tools: ['python', 'shell'] });
  });
});

describe('the list of models', () => {
  const items = (): HTMLElement[] => [...document.querySelectorAll<HTMLElement>('[role=option]')];
  const press = (key: string, init: KeyboardEventInit = {}): KeyboardEvent => {
    const event = new KeyboardEvent('keydown', { key, bubbles: true, cancelable: true, ...init });
    control('Model').dispatchEvent(event);
    return event;
  };
  const type = (text: string): void => {
    control('Model').value = text;
    control('Model').dispatchEvent(new Event('input', { bubbles: true }));
  };
  const active = (): string | null =>
    document.getElementById(control('Model').getAttribute('aria-activedescendant') ?? '')
      ?.textContent ?? null;

  beforeEach(() => {
    Element.prototype.scrollIntoView = () => undefined;
  });

  it('says window, speed, price and availability of each in words', () => {
    form.showFacts({
      models: ['MiniMax-M2.1', 'house\u202e'],
      prices: { 'house\u202e': [0.125, 1] },
    });
    press('ArrowDown');
    const texts = items().map(({ textContent }) => textContent);
    expect(texts).toHaveLength(CATALOGUE.length + 1);
    expect(texts).toContain(
      'MiniMax-M2.1 window 204,800 tokens · about 60 tokens/s · $0.30 in, $1.20 out per million · offered here',
    );
    expect(texts).toContain(
      'MiniMax-M2 window 204,800 tokens · speed unknown · $0.30 in, $1.20 out per million · not offered here',
    );
    expect(texts.at(-1)).toBe(
      'house[U+202E] speed unknown · $0.125 in, $1.00 out per million (your price) · new: listed only by the endpoint',
    );
    expect(texts.find((each) => each.startsWith('MiniMax-M2.7 '))).toContain(
      'announced as retired on 2026-11-18 · not offered here',
    );
  });

  it('says that availability is not known', () => {
    press('ArrowDown');
    expect(items()[0]!.textContent).toContain('not known whether it is offered here');
  });

  it('is used with the keyboard', () => {
    expect(control('Model').getAttribute('aria-expanded')).toBe('false');
    press('ArrowDown');
    expect(control('Model').getAttribute('aria-expanded')).toBe('true');
    expect(active()).toContain(CATALOGUE[0]!.name);
    press('ArrowUp');
    expect(active()).toContain(CATALOGUE.at(-1)!.name);
    press('ArrowDown');
    press('ArrowDown');
    expect(
      items().filter(
        (each) => each.ariaSelected === 'true' || each.getAttribute('aria-selected') === 'true',
      ),
    ).toHaveLength(1);
    press('Enter');
    expect(saved).toEqual([{ model: CATALOGUE[1]!.name }]);
    expect(control('Model').value).toBe(CATALOGUE[1]!.name);
    expect(control('Model').getAttribute('aria-expanded')).toBe('false');
    expect(control('Model').hasAttribute('aria-activedescendant')).toBe(false);
  });

  it('is filtered by what is typed, and any name can be entered', () => {
    type('m2.5');
    expect(items().map((each) => each.dataset['name'])).toEqual([
      'MiniMax-M2.5',
      'MiniMax-M2.5-highspeed',
    ]);
    type('mine');
    expect(control('Model').getAttribute('aria-expanded')).toBe('false');
    press('Enter');
    expect(saved).toEqual([{ model: 'mine' }]);
    expect(descriptionOf('Model')).toContain('price unknown');
  });

  it('is closed by Escape, which closes nothing else then', () => {
    press('ArrowDown');
    expect(press('Escape').defaultPrevented).toBe(true);
    expect(control('Model').getAttribute('aria-expanded')).toBe('false');
    expect(press('Escape').defaultPrevented).toBe(false);
  });

  it('is used with the mouse', () => {
    control('Model').click();
    items()[3]!.click();
    expect(saved).toEqual([{ model: CATALOGUE[3]!.name }]);
    control('Model').click();
    control('Model').dispatchEvent(new Event('blur'));
    expect(control('Model').getAttribute('aria-expanded')).toBe('false');
  });
});

it('the ids are unique also if a second bundle contains the form', async () => {
  vi.resetModules();
  const again = await import('../../src/picker/settings-form');
  document.body.append(new again.SettingsForm(english, 'kernel', () => undefined).el);
  const ids = [...document.querySelectorAll('[id]')].map(({ id }) => id);
  expect(new Set(ids).size).toBe(ids.length);
});

it('every control has one label and a unique id, with two forms on one page', () => {
  document.body.append(new SettingsForm(english, 'kernel', () => undefined).el);
  const controls = [...document.querySelectorAll<Control>('input, select, textarea')];
  expect(controls).toHaveLength(15);
  expect(new Set(controls.map((each) => each.id)).size).toBe(15);
  for (const each of controls) expect(each.labels).toHaveLength(1);
});

it('all texts come from the translation', () => {
  const shout = (part: string): string => (part.startsWith('{') ? part : part.toUpperCase());
  const shouting = { __: (text: string): string => text.replace(/\{\w+\}|[a-z]/g, shout) };
  const shouted = new SettingsForm(shouting, 'kernel', () => undefined);
  document.body.replaceChildren(shouted.el);
  shouted.showFacts(sent('default', '1'));
  enter('TEMPERATURE', '7');
  enter('TEMPERATURE', '0.7');
  control('MODEL').click();
  const texts = [...document.querySelectorAll('*')].flatMap((each) => [
    each.getAttribute('placeholder') ?? '',
    each.getAttribute('aria-label') ?? '',
    each.getAttribute('title') ?? '',
  ]);
  const all = [document.body.textContent, ...texts].join(' ').replace(/MiniMax-[\w.-]+/g, '');
  expect(all).not.toMatch(/[a-z]/);
});
