// The stub and the runtime together, used as anywidget uses them.
import { beforeEach, expect, test, vi } from 'vitest';
import { WAIT_MS } from '../../src/renderer/views/approval-view';
import { questionWith } from '../question';

interface Model {
  on: (name: string, callback: (content: unknown) => void) => void;
  send: (content: unknown) => void;
}
type Cleanup = () => unknown;
interface Widget {
  initialize: (context: { model: Model }) => Cleanup;
  render: (context: { model: Model; el: HTMLElement }) => Promise<Cleanup>;
}

const KEY = Symbol.for('mm_magics.runtime/1');

function fakeModel(): Model & { emit: (...ops: unknown[]) => void; sent: unknown[] } {
  const listeners: ((content: unknown) => void)[] = [];
  const sent: unknown[] = [];
  let count = 0;
  return {
    sent,
    on: (name, callback) => name === 'msg:custom' && listeners.push(callback),
    send: (content) => sent.push(content),
    emit: (...ops) => {
      const message = {
        turn: 't',
        cell: 'c',
        displayed: true,
        seconds: 1,
        start: count,
        end: count + ops.length,
      };
      count += ops.length;
      for (const listener of listeners) listener({ ...message, ops });
    },
  };
}

async function stub(): Promise<Widget> {
  const { default: make } = await import('../../src/widget/stub.js');
  return make();
}

const loadRuntime = (): Promise<unknown> => import('../../src/widget/runtime');
const frame = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 60));

beforeEach(() => {
  vi.resetModules();
  Reflect.deleteProperty(globalThis, KEY);
  document.body.replaceChildren();
});

test('messages that arrive before the runtime are shown in order', async () => {
  const widget = await stub();
  const model = fakeModel();
  widget.initialize({ model });
  model.emit(['open', 0, { type: 'text' }], ['add', 0, 'ear']);
  model.emit(['add', 0, 'ly']);
  const rendered = widget.render({ model, el: document.body });
  await loadRuntime();
  await rendered;
  model.emit(['add', 0, ' and late']);
  await frame();
  expect(document.querySelector('.mm-text')?.textContent.trim()).toBe('early and late');
});

test('initialize does not wait for the runtime', async () => {
  const widget = await stub();
  expect(widget.initialize({ model: fakeModel() })).toBeTypeOf('function');
});

test('Stop sends one message, and every view of the turn shows it', async () => {
  await loadRuntime();
  const widget = await stub();
  const model = fakeModel();
  widget.initialize({ model });
  const one = document.body.appendChild(document.createElement('div'));
  const two = document.body.appendChild(document.createElement('div'));
  await widget.render({ model, el: one });
  await widget.render({ model, el: two });
  await frame();
  one.querySelector<HTMLButtonElement>('.mm-stop')!.click();
  await frame();
  two.querySelector<HTMLButtonElement>('.mm-stop')!.click();
  expect(model.sent).toEqual([{ type: 'here' }, { type: 'here' }, { type: 'stop' }]);
  expect(two.querySelector('.mm-stop')?.textContent).toBe('stopping…');
});

test('a call that requires approval is decided once, by the first button pressed in any view', async () => {
  await loadRuntime();
  const widget = await stub();
  const model = fakeModel();
  widget.initialize({ model });
  const one = document.body.appendChild(document.createElement('div'));
  const two = document.body.appendChild(document.createElement('div'));
  await widget.render({ model, el: one });
  await widget.render({ model, el: two });
  const call = { type: 'tool_use', id: 't1', name: 'shell', input: { command: 'ls' } };
  model.emit(['open', 0, call], ['close', 0, {}]);
  const question = questionWith('ls -l');
  model.emit(['tool', 0, { state: 'asking', question }]);
  await frame();
  expect(one.querySelector('.mm-question')?.textContent).toContain('It runs.');
  expect(one.querySelector('details')?.open).toBe(true);
  // What is displayed is what the kernel will run, whatever was streamed.
  expect(one.querySelector('.mm-ask .mm-box')?.textContent).toBe('ls -l');
  expect(document.activeElement).toBe(document.body);
  const buttons = [...one.querySelectorAll<HTMLButtonElement>('.mm-choices button')];
  expect(buttons.map((each) => each.textContent)).toEqual(['Allow once', 'Allow ls', 'Deny']);
  await new Promise((resolve) => setTimeout(resolve, WAIT_MS + 50));
  one.querySelector<HTMLInputElement>('.mm-reason')!.value = ' too early ';
  buttons[2]!.click();
  two.querySelector<HTMLButtonElement>('.mm-choices button')!.click();
  await frame();
  const decisions = model.sent.filter((each) => (each as { type: string }).type === 'decide');
  expect(decisions).toEqual([
    {
      type: 'decide',
      question: 'q1',
      sha256: 'h1',
      allowed: false,
      always: false,
      reason: 'too early',
    },
  ]);
  expect(two.querySelector<HTMLButtonElement>('.mm-choices button')?.disabled).toBe(true);
  model.emit(['tool', 0, { state: 'denied', seconds: 0 }]);
  await frame();
  expect(one.querySelector('.mm-ask')).toBeNull();
  expect(one.querySelector('summary')?.textContent).toContain('denied');
});

test('a page repeats that it is present until a call is decided', async () => {
  await loadRuntime();
  const widget = await stub();
  const model = fakeModel();
  widget.initialize({ model });
  await widget.render({ model, el: document.body });
  vi.useFakeTimers();
  model.emit(
    ['open', 0, { type: 'tool_use', id: 't1', name: 'shell', input: {} }],
    ['close', 0, {}],
  );
  model.emit(['tool', 0, { state: 'asking', question: questionWith('ls') }]);
  vi.advanceTimersByTime(2_000);
  const here = { type: 'here' };
  expect(model.sent).toEqual([here, here, here, here, here]);
  model.emit(['tool', 0, { state: 'running' }]);
  vi.advanceTimersByTime(20_000);
  expect(model.sent).toHaveLength(5);
  vi.useRealTimers();
});

test('a view can be removed and created again from the same state', async () => {
  await loadRuntime();
  const widget = await stub();
  const model = fakeModel();
  const close = widget.initialize({ model });
  const cleanup = await widget.render({ model, el: document.body });
  model.emit(['open', 0, { type: 'text' }], ['add', 0, 'kept']);
  await frame();
  cleanup();
  expect(document.querySelector('.mm-turn')).toBeNull();
  model.emit(['add', 0, ' on']);
  await widget.render({ model, el: document.body });
  await frame();
  expect(document.querySelector('.mm-text')?.textContent.trim()).toBe('kept on');
  await close();
  expect(document.querySelector('.mm-turn')).toBeNull();
});

test('a second runtime on the page is harmless', async () => {
  await loadRuntime();
  const slot = (globalThis as unknown as Record<symbol, { ready: Promise<unknown> }>)[KEY]!;
  const first = await slot.ready;
  vi.resetModules();
  await loadRuntime();
  expect(await slot.ready).toBe(first);
});

test('two turns do not share their state', async () => {
  await loadRuntime();
  const [a, b] = [await stub(), await stub()];
  const [one, two] = [fakeModel(), fakeModel()];
  a.initialize({ model: one });
  b.initialize({ model: two });
  await a.render({ model: one, el: document.body });
  await b.render({ model: two, el: document.body });
  one.emit(['open', 0, { type: 'text' }], ['add', 0, 'only here']);
  await frame();
  expect(document.querySelectorAll('.mm-text')).toHaveLength(1);
});

test('unknown messages are ignored', async () => {
  await loadRuntime();
  const widget = await stub();
  const listeners: ((content: unknown) => void)[] = [];
  const model: Model = { on: (_name, callback) => listeners.push(callback), send: () => undefined };
  widget.initialize({ model });
  await widget.render({ model, el: document.body });
  for (const content of [null, 5, 'x', {}, { ops: 3 }])
    expect(() => {
      listeners[0]?.(content);
    }).not.toThrow();
});

test('the header shows when the kernel has fallen silent, and when it is heard again', async () => {
  await loadRuntime();
  const widget = await stub();
  const model = fakeModel();
  const close = widget.initialize({ model });
  await widget.render({ model, el: document.body });
  await frame();
  vi.useFakeTimers();
  const shown = (): string | null | undefined => {
    vi.advanceTimersByTime(20);
    return document.querySelector('.mm-status')?.textContent;
  };
  model.emit(['state', { status: 'answering' }]);
  vi.advanceTimersByTime(1_300);
  expect(shown()).toBe('answering');
  vi.advanceTimersByTime(300);
  expect(shown()).toBe('no sign of life');
  model.emit();
  expect(shown()).toBe('answering');
  model.emit(['state', { status: 'complete' }]);
  vi.advanceTimersByTime(5_000);
  expect(shown()).toBe('done');
  vi.useRealTimers();
  await close();
});

test('a turn is drawn from its complete state if messages were missed', async () => {
  await loadRuntime();
  const widget = await stub();
  let emit: (content: unknown) => void = () => undefined;
  const model: Model = { on: (_name, listener) => (emit = listener), send: () => undefined };
  widget.initialize({ model });
  await widget.render({ model, el: document.body });
  const message = (start: number, end: number, ...ops: unknown[]): void => {
    emit({ turn: 't', cell: null, displayed: true, seconds: 1, start, end, ops });
  };
  message(0, 1, ['open', 0, { type: 'text' }]);
  message(1, 2, ['add', 0, 'one ']);
  message(1, 2, ['add', 0, 'twice ']);
  message(3, 4, ['add', 0, 'three ']);
  message(0, 3, ['open', 0, { type: 'text' }], ['add', 0, 'one two ']);
  message(4, 5, ['add', 0, 'four']);
  await frame();
  expect(document.querySelector('.mm-text')?.textContent.trim()).toBe('one two three four');
});
