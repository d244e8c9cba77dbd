// The widget of `%minimax picker`: the form, bound to the state that the kernel sends.
import { beforeEach, expect, it } from 'vitest';
import type { PickerMessage, PickerState } from '../../src/protocol-picker';
import picker, { type PickerModel } from '../../src/widget/picker';

const STATE: PickerState = {
  models: ['MiniMax-M3'],
  prices: {},
  settings: {
    model: { shown: 'MiniMax-M3', source: 'default' },
    temperature: { shown: '0.4', source: 'set in this kernel' },
    thread: { shown: 'notes', source: 'notebook' },
    tools: { shown: 'none', source: 'default' },
  },
  own: { temperature: 0.4 },
  threads: ['main', 'side'],
  tools: ['python'],
  approvals: '',
};

class FakeModel implements PickerModel {
  state = STATE;
  readonly sent: PickerMessage[] = [];
  readonly listeners = new Set<() => void>();

  get(): PickerState {
    return this.state;
  }

  on(_event: string, callback: () => void): void {
    this.listeners.add(callback);
  }

  off(_event: string, callback: () => void): void {
    this.listeners.delete(callback);
  }

  send(message: PickerMessage): void {
    this.sent.push(message);
  }

  receive(change: Partial<PickerState>): void {
    this.state = { ...this.state, ...change };
    for (const listener of this.listeners) listener();
  }
}

let model: FakeModel;
let el: HTMLElement;
let remove: () => void;

beforeEach(() => {
  model = new FakeModel();
  el = document.createElement('div');
  document.body.replaceChildren(el);
  remove = picker.render({ model, el });
});

function control(label: string): HTMLInputElement {
  const found = [...el.querySelectorAll('label')].find((each) => each.textContent === label);
  return document.getElementById(found!.htmlFor) as HTMLInputElement;
}

function enter(label: string, value: string): void {
  control(label).value = value;
  control(label).dispatchEvent(new Event('change', { bubbles: true }));
}

it('shows the state of the kernel, with sources', () => {
  expect(control('Temperature').value).toBe('0.4');
  expect(control('Model').placeholder).toBe('MiniMax-M3, default');
  expect(control('Thread').placeholder).toBe('notes, notebook');
  expect(el.getAttribute('data-lm-suppress-shortcuts')).toBe('true');
  expect(el.getAttribute('aria-label')).toBe('MiniMax in this kernel');
});

it('sends what changed, and nothing else', () => {
  enter('Thread', 'side');
  expect(model.sent).toEqual([{ type: 'assign', name: 'thread', value: 'side' }]);
  model.receive({ own: { temperature: 0.4, thread: 'side' } });
  enter('Temperature', '');
  enter('Tools', 'python');
  expect(model.sent.slice(1)).toEqual([
    { type: 'assign', name: 'temperature', value: null },
    { type: 'assign', name: 'tools', value: ['python'] },
  ]);
});

it('resets one setting or all', () => {
  el.querySelector<HTMLElement>('[aria-label="Reset Temperature"]')!.click();
  expect(model.sent).toEqual([{ type: 'reset', name: 'temperature' }]);
  model.receive({ own: { temperature: 0.4, thread: 'side' } });
  [...el.querySelectorAll('button')].find((each) => each.textContent === 'Reset all')!.click();
  expect(model.sent.slice(1)).toEqual([
    { type: 'reset', name: 'temperature' },
    { type: 'reset', name: 'thread' },
  ]);
});

it('follows the kernel until it is removed', () => {
  model.receive({ own: { model: 'MiniMax-M2' } });
  expect(control('Model').value).toBe('MiniMax-M2');
  expect(control('Temperature').value).toBe('');
  remove();
  expect(model.listeners.size).toBe(0);
});
