// The settings form as a user sees it, without Jupyter.
import { beforeEach, describe, expect, it } from 'vitest';
import { SettingsForm } from '../../src/picker/settings-form';
import type { Settings } from '../../src/picker/settings';
import { CATALOGUE } from '../../src/renderer/model-catalogue';

const english = { __: (text: string): string => text };
let saved: Settings[];
let form: SettingsForm;

beforeEach(() => {
  saved = [];
  form = new SettingsForm(english, (settings) => saved.push(settings));
  document.body.replaceChildren(form.el);
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

/** Return the hint and the error message of a control. */
function descriptionOf(label: string): string {
  const ids = control(label).getAttribute('aria-describedby')!.split(' ');
  return ids.map((id) => document.getElementById(id)!.textContent).join('');
}

const summary = (): string => document.querySelector('[role="status"]')!.textContent;
const resetAll = (): void => {
  [...document.querySelectorAll('button')].find((each) => each.textContent === 'Reset')!.click();
};

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
  ])('%s saves %j', (label, text, settings) => {
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
      expect(descriptionOf(label)).toMatch(/^Ignored: must be/);
      expect(control(label).getAttribute('aria-invalid')).toBe('true');
    }
    expect(saved).toHaveLength(1);
    enter(label, '1');
    expect(descriptionOf(label)).toBe('');
  });

  it('that is empty leaves its setting to the kernel, and shows it', () => {
    form.show({ temperature: 0.4, system: 'x', model: 'MiniMax-M2', thinking: 'on' });
    enter('Temperature', '');
    enter('System prompt', ' \n');
    enter('Model', '');
    enter('Thinking', '');
    expect(saved.at(-1)).toEqual({});
    for (const label of ['Temperature', 'System prompt', 'Max tokens', 'top_p', 'Thread'])
      expect(control(label).placeholder).toBe('set by the kernel');
    for (const label of ['Model', 'Thinking'])
      expect(control(label).selectedOptions[0]!.text).toBe('set by the kernel');
  });
});

describe('what the kernel uses', () => {
  const labels = { thread: 'Thread', system: 'System prompt', temperature: 'Temperature' };
  const effective = (source: string): Record<string, { shown: string; source: string }> =>
    Object.fromEntries(
      Object.keys(labels).map((name) => [name, { shown: `one\u202e (${source})`, source }]),
    );

  it.each(['set in this kernel', 'IPython configuration', 'environment', 'default'])(
    'is shown in empty fields, with its source: %s',
    (source) => {
      form.showEffective(effective(source));
      for (const label of Object.values(labels))
        expect(control(label).placeholder).toBe(`one[U+202E] (${source})`);
      const both = { shown: `M (${source})`, source };
      form.showEffective({ model: both, thinking: both });
      for (const label of ['Model', 'Thinking'])
        expect(control(label).options[0]!.text).toBe(`M (${source})`);
    },
  );

  it('instead of the value of the notebook is shown below it, and the summary leaves that value out', () => {
    form.show({ thread: 'x', temperature: 0.4, model: 'MiniMax-M2', thinking: 'off' });
    const kernel = { shown: 'mine (set in this kernel)', source: 'set in this kernel' };
    form.showEffective({ thread: kernel, model: kernel, thinking: kernel });
    for (const label of ['Thread', 'Model', 'Thinking'])
      expect(descriptionOf(label)).toContain('mine (set in this kernel)');
    expect(summary()).toBe('The next prompt cell uses temperature 0.4.');
  });

  it('is the value of the notebook if nothing replaces it', () => {
    form.show({ thread: 'x' });
    form.showEffective({ thread: { shown: 'x (notebook)', source: 'notebook' } });
    expect(descriptionOf('Thread')).toBe('');
    expect(summary()).toBe('The next prompt cell uses thread x.');
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
    form.show({ temperature: 7, max_tokens: '5', thinking: 'maybe', model: 5, thread: [1] });
    form.show({ thread: '' });
    expect(descriptionOf('Thread')).toMatch(/^Ignored/);
    form.show({ temperature: 7, max_tokens: '5', thinking: 'maybe', model: 5, thread: [1] });
    expect(control('Temperature').value).toBe('7');
    expect(control('Thread').value).toBe('[1]');
    for (const label of ['Temperature', 'Max tokens', 'Thinking', 'Model name', 'Thread'])
      expect(descriptionOf(label)).toMatch(/^Ignored/);
    expect(summary()).toBe('The next prompt cell uses the settings of the kernel.');
  });

  it('may contain a thinking budget', () => {
    form.show({ thinking: 2000 });
    expect(control('Thinking').value).toBe('2000');
    expect(descriptionOf('Thinking')).toBe('');
    enter('Thinking', 'on');
    enter('Thinking', '2000');
    expect(saved).toEqual([{ thinking: 'on' }, { thinking: 2000 }]);
  });

  it.each([
    ['MiniMax-M2.1', [], 'MiniMax-M2.1 always thinks.'],
    ['MiniMax-M3', ['on', 'off'], ''],
    ['MiniMax-M3.1-Flash', ['low', 'medium', 'high', 'xhigh', 'max'], ''],
    ['mine', ['on', 'off', 'adaptive', 'low', 'medium', 'high', 'xhigh', 'max'], ''],
  ])('offer for %s only the thinking that makes a difference: %j', (model, values, hint) => {
    const offered = (): string[] =>
      [...(control('Thinking') as HTMLSelectElement).options].map((option) => option.value);
    form.show({ model });
    expect(offered()).toEqual(['', ...values]);
    expect(descriptionOf('Thinking')).toBe(hint);
    form.show({ model: 'MiniMax-M2', thinking: 'xhigh' });
    expect(offered()).toEqual(['', 'xhigh']);
    expect(control('Thinking').value).toBe('xhigh');
  });

  it('mark models that are not offered, are new, or were announced as retired', () => {
    form.offer(['MiniMax-M3', 'house\u202e']);
    form.show({ model: 'house\u202e' });
    const options = [...(control('Model') as HTMLSelectElement).options].map(({ text }) => text);
    const of = (name: string): string => options.find((text) => text.startsWith(`${name} `))!;
    expect(of('MiniMax-M2.7')).toMatch(/announced as retired on 2026-11-18 · not offered here$/);
    expect(of('MiniMax-M2')).toMatch(/not offered here$/);
    expect(of('MiniMax-M3')).not.toMatch(/offered|retired/);
    expect(of('house[U+202E]')).toBe('house[U+202E] · new: listed only by the endpoint');
    expect(control('Model').value).toBe('house\u202e');
    form.offer(undefined);
    form.show({ model: 'house\u202e' });
    expect(descriptionOf('Model')).toBe('');
    expect(control('Model name').value).toBe('house\u202e');
  });

  it('offer the thinking of the model that was just chosen', () => {
    enter('Model', 'MiniMax-M3.1-Flash');
    enter('Thinking', 'low');
    expect(saved.at(-1)).toEqual({ model: 'MiniMax-M3.1-Flash', thinking: 'low' });
    enter('Model', 'MiniMax-M3');
    expect(control('Thinking').value).toBe('low');
    expect(saved.at(-1)).toEqual({ model: 'MiniMax-M3', thinking: 'low' });
  });

  it('with unknown keys are left unchanged, even by Reset', () => {
    form.show({ temperature: 0.4, later: { a: 1 } });
    enter('Thread', 'side');
    resetAll();
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
    expect(descriptionOf('Temperature')).toBe('');
  });
});

describe('a model', () => {
  it('in the catalogue is listed with its window, speed and price', () => {
    const options = [...control('Model').options].map((option) => option.text);
    expect(options.slice(1, -1)).toHaveLength(CATALOGUE.length);
    expect(options).toContain(
      'MiniMax-M2.1 · window 204,800 tokens · about 60 tokens/s · $0.30 in, $1.20 out per million',
    );
    expect(options).toContain(
      'MiniMax-M2 · window 204,800 tokens · $0.30 in, $1.20 out per million',
    );
    enter('Model', 'MiniMax-M2.5-highspeed');
    expect(descriptionOf('Model')).toContain('about 100 tokens/s · $0.60 in, $2.40 out');
  });

  it('with another name can be entered', () => {
    const name = control('Model name');
    expect(name.closest<HTMLElement>('.mm-picker-row')!.hidden).toBe(true);
    enter('Model', '…');
    expect(name.closest<HTMLElement>('.mm-picker-row')!.hidden).toBe(false);
    expect(saved).toEqual([]);
    enter('Model name', 'mine');
    expect(saved).toEqual([{ model: 'mine' }]);
    expect(descriptionOf('Model')).toBe('');
    form.show({ model: 'theirs' });
    expect([control('Model').value, name.value]).toEqual(['…', 'theirs']);
  });
});

describe('the summary', () => {
  it('lists what the next prompt cell uses', () => {
    form.show({ model: 'MiniMax-M2.7', temperature: 0.3, system: 'x', thread: 'side', top_p: 9 });
    expect(summary()).toBe(
      'The next prompt cell uses model MiniMax-M2.7, temperature 0.3, the system prompt above, thread side.',
    );
  });

  it('follows each change', () => {
    enter('Max tokens', '50');
    expect(summary()).toBe('The next prompt cell uses at most 50 tokens.');
    resetAll();
    expect(summary()).toBe('The next prompt cell uses the settings of the kernel.');
  });

  it('mentions that a model in the catalogue always thinks', () => {
    form.show({ model: 'MiniMax-M2.7', thinking: 'off' });
    expect(summary()).toContain('MiniMax-M2.7 always thinks; the endpoint ignores “off”.');
    form.show({ model: 'mine', thinking: 'off' });
    expect(summary()).not.toContain('always');
  });
});

it('every control has one label and a unique id, with two forms on one page', () => {
  document.body.append(new SettingsForm(english, () => undefined).el);
  const controls = [...document.querySelectorAll<Control>('input, select, textarea')];
  expect(controls).toHaveLength(16);
  expect(new Set(controls.map((each) => each.id)).size).toBe(16);
  for (const each of controls) expect(each.labels).toHaveLength(1);
});

it('all texts come from the translation', () => {
  const shout = (part: string): string => (part.startsWith('{') ? part : part.toUpperCase());
  const shouting = { __: (text: string): string => text.replace(/\{\w+\}|[a-z]/g, shout) };
  document.body.replaceChildren(new SettingsForm(shouting, () => undefined).el);
  enter('TEMPERATURE', '7');
  enter('TEMPERATURE', '0.7');
  expect(document.body.textContent.replace(/MiniMax-[\w.-]+/g, '')).not.toMatch(/[a-z]/);
  expect(summary()).toBe('THE NEXT PROMPT CELL USES TEMPERATURE 0.7.');
});
