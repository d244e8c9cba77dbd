// The form of a notebook's settings, as a reader meets it, without Jupyter.
import { beforeEach, describe, expect, it } from 'vitest';
import { SettingsForm } from '../../src/picker/settings-form';
import type { Settings } from '../../src/picker/settings';
import { CATALOGUE } from '../../src/renderer/model-catalogue';

const english = { __: (text: string): string => text };
let kept: Settings[];
let form: SettingsForm;

beforeEach(() => {
  kept = [];
  form = new SettingsForm(english, (settings) => kept.push(settings));
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

/** What describes the control: its hint and its problem. */
function described(label: string): string {
  const ids = control(label).getAttribute('aria-describedby')!.split(' ');
  return ids.map((id) => document.getElementById(id)!.textContent).join('');
}

const line = (): string => document.querySelector('[role="status"]')!.textContent;
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
  ])('%s with %j is kept', (label, text, settings) => {
    enter(label, text);
    expect(kept).toEqual([settings]);
    expect(control(label).getAttribute('aria-invalid')).not.toBe('true');
  });

  it.each([
    ['Temperature', ['0', '1.01', '-1', 'hot', '0,5', 'NaN', 'Infinity', '1e-1']],
    ['top_p', ['0', '2', '-0.5', '0x1']],
    ['Max tokens', ['0', '-5', '1.5', 'many', '99999999999999999999']],
  ])('%s with a bad value says so beside it and is not kept', (label, values) => {
    enter(label, '1');
    for (const value of values) {
      enter(label, value);
      expect(described(label)).toMatch(/^Not used: it must be/);
      expect(control(label).getAttribute('aria-invalid')).toBe('true');
    }
    expect(kept).toHaveLength(1);
    enter(label, '1');
    expect(described(label)).toBe('');
  });

  it('that is empty leaves its setting to the kernel, and says so', () => {
    form.show({ temperature: 0.4, system: 'x', model: 'MiniMax-M2', thinking: 'on' });
    enter('Temperature', '');
    enter('System prompt', ' \n');
    enter('Model', '');
    enter('Thinking', '');
    expect(kept.at(-1)).toEqual({});
    for (const label of ['Temperature', 'System prompt', 'Max tokens', 'top_p', 'Thread'])
      expect(control(label).placeholder).toBe('as the kernel has it');
    for (const label of ['Model', 'Thinking'])
      expect(control(label).selectedOptions[0]!.text).toBe('as the kernel has it');
  });
});

describe('what is set', () => {
  it('is shown in every field', () => {
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

  it('and does not hold is shown as it is and said to be not used', () => {
    form.show({ temperature: 7, max_tokens: '5', thinking: 'maybe', model: 5, thread: [1] });
    expect(control('Temperature').value).toBe('7');
    expect(control('Thread').value).toBe('[1]');
    for (const label of ['Temperature', 'Max tokens', 'Thinking', 'Model’s name', 'Thread'])
      expect(described(label)).toMatch(/^Not used/);
    expect(line()).toBe('The next prompt cell is asked as the kernel has it.');
  });

  it('may be a budget for thinking', () => {
    form.show({ thinking: 2000 });
    expect(control('Thinking').value).toBe('2000');
    expect(described('Thinking')).toBe('');
    enter('Thinking', 'on');
    enter('Thinking', '2000');
    expect(kept).toEqual([{ thinking: 'on' }, { thinking: 2000 }]);
  });

  it('by others stays as it is, also when all is reset', () => {
    form.show({ temperature: 0.4, later: { a: 1 } });
    enter('Thread', 'side');
    resetAll();
    expect(kept).toEqual([
      { temperature: 0.4, later: { a: 1 }, thread: 'side' },
      { later: { a: 1 } },
    ]);
    expect(control('Temperature').value).toBe('');
  });

  it('is not asked of a field that was left with a bad value once it is shown anew', () => {
    form.show({ temperature: 0.4 });
    enter('Temperature', '7');
    form.show(form.settings);
    expect(control('Temperature').value).toBe('0.4');
    expect(described('Temperature')).toBe('');
  });
});

describe('a model', () => {
  it('of the catalogue is offered with its window, speed and price', () => {
    const options = [...control('Model').options].map((option) => option.text);
    expect(options.slice(1, -1)).toHaveLength(CATALOGUE.length);
    expect(options).toContain(
      'MiniMax-M2.7 · window 204,800 tokens · about 60 tokens/s · $0.30 in, $1.20 out per million',
    );
    expect(options).toContain(
      'MiniMax-M2 · window 204,800 tokens · $0.30 in, $1.20 out per million',
    );
    enter('Model', 'MiniMax-M2.5-highspeed');
    expect(described('Model')).toContain('about 100 tokens/s · $0.60 in, $2.40 out');
  });

  it('of any other name can be named', () => {
    const name = control('Model’s name');
    expect(name.closest<HTMLElement>('.mm-picker-row')!.hidden).toBe(true);
    enter('Model', '…');
    expect(name.closest<HTMLElement>('.mm-picker-row')!.hidden).toBe(false);
    expect(kept).toEqual([]);
    enter('Model’s name', 'mine');
    expect(kept).toEqual([{ model: 'mine' }]);
    expect(described('Model')).toBe('');
    form.show({ model: 'theirs' });
    expect([control('Model').value, name.value]).toEqual(['…', 'theirs']);
  });
});

describe('the line', () => {
  it('says what holds in the next prompt cell', () => {
    form.show({ model: 'MiniMax-M2.7', temperature: 0.3, system: 'x', thread: 'side', top_p: 9 });
    expect(line()).toBe(
      'In the next prompt cell: MiniMax-M2.7 answers, temperature 0.3, this system prompt, it sees thread side.',
    );
  });

  it('follows each change', () => {
    enter('Max tokens', '50');
    expect(line()).toBe('In the next prompt cell: at most 50 tokens.');
    resetAll();
    expect(line()).toBe('The next prompt cell is asked as the kernel has it.');
  });

  it('says that a model of the catalogue thinks all the same', () => {
    form.show({ model: 'MiniMax-M2.7', thinking: 'off' });
    expect(line()).toContain('MiniMax-M2.7 always thinks; the endpoint ignores “off”.');
    form.show({ model: 'mine', thinking: 'off' });
    expect(line()).not.toContain('always');
  });
});

it('every control has a label, and what describes it is there, in two forms on one page', () => {
  document.body.append(new SettingsForm(english, () => undefined).el);
  const controls = [...document.querySelectorAll<Control>('input, select, textarea')];
  expect(controls).toHaveLength(16);
  expect(new Set(controls.map((each) => each.id)).size).toBe(16);
  for (const each of controls) expect(each.labels).toHaveLength(1);
});

it('its texts are the translation’s', () => {
  const loud = (part: string): string => (part.startsWith('{') ? part : part.toUpperCase());
  const shouting = { __: (text: string): string => text.replace(/\{\w+\}|[a-z]/g, loud) };
  document.body.replaceChildren(new SettingsForm(shouting, () => undefined).el);
  enter('TEMPERATURE', '7');
  enter('TEMPERATURE', '0.7');
  expect(document.body.textContent.replace(/MiniMax-[\w.-]+/g, '')).not.toMatch(/[a-z]/);
  expect(line()).toBe('IN THE NEXT PROMPT CELL: TEMPERATURE 0.7.');
});
