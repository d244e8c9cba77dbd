// Several answers in a notebook: choosing one, and what the page saves of them.
import { beforeEach, describe, expect, it } from 'vitest';
import type { RenderMimeRegistry } from '@jupyterlab/rendermime';
import { commandsPlugin } from '../../src/lab/commands';
import { kernelPlugin } from '../../src/lab/kernel-plugin';
import { rendererPlugin } from '../../src/lab/mime-renderer';
import { partialOutput } from '../../src/lab/partial-turn';
import { makeBundle } from '../../src/lab/saved-bundle';
import { MIME_TYPE } from '../../src/protocol';
import { EMPTY, reduce } from '../../src/renderer/turn-state';
import {
  fakeApp,
  newRendermime,
  openNotebook,
  settled,
  turnOutput,
  turnRecord,
  type FakePanel,
} from './fake-jupyterlab';

const answer = (number: number, fields: object = {}): Record<string, unknown> =>
  turnRecord(`**Answer** ${number}`, {
    id: `turn-${number}`,
    cell_id: 'cell-0',
    model: `model-${number}`,
    comparison: { id: 'c', number },
    ...fields,
  });
const earlier = turnRecord('Earlier', { id: 'turn-0' });
const two = (): Record<string, unknown> =>
  answer(1, { versions: [answer(2), earlier], newer: 1, undecided: true });

let rendermime: RenderMimeRegistry;

async function open(record: Record<string, unknown>): Promise<FakePanel> {
  const outputs = [turnOutput(record, { 'text/html': 'saved' })];
  const panel = openNotebook([{ source: '%%minimax\nHi.', outputs }], { rendermime });
  panel.content.scrollToCell = () => Promise.resolve();
  const { app, tracker } = fakeApp(panel);
  await kernelPlugin.activate(app, tracker);
  await commandsPlugin.activate(app, tracker, null, null);
  await settled();
  return panel;
}

const saved = (panel: FakePanel): Record<string, Record<string, unknown>> => {
  const { outputs } = panel.content.model!.cells.get(0).toJSON() as unknown as {
    outputs: { data: Record<string, never> }[];
  };
  return outputs[0]!.data;
};
const choices = (): HTMLButtonElement[] => [
  ...document.querySelectorAll<HTMLButtonElement>('.mm-choose'),
];

beforeEach(async () => {
  document.body.replaceChildren();
  rendermime = newRendermime();
  await rendererPlugin.activate(fakeApp().app, rendermime, null);
});

describe('the button of an answer', () => {
  it.each([0, 1])('continues with answer %j, and the others stay as versions', async (index) => {
    const panel = await open(two());
    expect(document.querySelectorAll('.mm-answers > .mm-turn')).toHaveLength(2);
    const label = `Continue with this one: version ${index + 2}, model-${index + 1}`;
    expect(choices()[index]!.getAttribute('aria-label')).toBe(label);
    expect(document.querySelector('.mm-active')!.textContent).toBe('active');
    choices()[index]!.focus();
    choices()[index]!.click();
    await settled();
    expect(document.querySelectorAll('.mm-answers')).toHaveLength(0);
    expect(document.querySelector('.mm-position')!.textContent).toBe(`${index + 2}/3`);
    const data = saved(panel);
    const record = data[MIME_TYPE]!;
    expect(record['id']).toBe(`turn-${index + 1}`);
    expect(record['undecided']).toBeUndefined();
    expect((record['versions'] as unknown[]).length).toBe(2);
    expect(data['text/markdown']).toBe(`**Answer** ${index + 1}`);
    expect(document.activeElement!.closest('.mm-header')).not.toBeNull();
  });

  it('is not there for an answer of which nothing was received', async () => {
    await open(
      answer(1, {
        versions: [answer(2, { status: 'failed', messages: [] })],
        newer: 1,
        undecided: true,
      }),
    );
    expect(choices().map(({ hidden }) => hidden)).toEqual([false, true]);
  });
});

describe('the output', () => {
  it('contains all answers until one is chosen', () => {
    const data = makeBundle(two()) as Record<string, string>;
    for (const kind of ['text/html', 'text/markdown', 'text/plain']) {
      expect(data[kind]).toContain('Version 2: model-1 (active)');
      expect(data[kind]).toContain('Version 3: model-2');
      expect(data[kind]).not.toContain('Earlier');
    }
    expect(data['text/html']!.match(/<strong>Answer<\/strong>/g)).toHaveLength(2);
  });
});

describe('a kernel that is gone', () => {
  const asked = (...ops: unknown[]): ReturnType<typeof reduce> => {
    const empty = (number: number): Record<string, unknown> => {
      return answer(number, { status: 'stopped', responses: [], messages: [] });
    };
    const record = { ...empty(1), versions: [empty(2), earlier], newer: 1, undecided: true };
    return reduce(EMPTY, [
      ['record', record],
      ['part', 0, ['record', empty(1)]],
      ['part', 1, ['record', empty(2)]],
      ...ops,
    ]);
  };

  it('leaves what was received of each answer', () => {
    const state = asked(
      ['part', 1, ['record', { messages: [], responses: [{ id: 'm', model: 'M', usage: {} }] }]],
      ['part', 1, ['open', 0, { type: 'text' }]],
      ['part', 1, ['add', 0, 'Half']],
    );
    const { data } = partialOutput(state, 1, 'surely')!;
    const record = data[MIME_TYPE] as Record<string, unknown>;
    expect(record).toMatchObject({ id: 'turn-1', undecided: true, newer: 1 });
    const [other, old] = record['versions'] as Record<string, unknown>[];
    expect(JSON.stringify(other!['messages'])).toContain('Half');
    expect(old).toEqual(earlier);
    expect(data['text/plain']).toContain('Half');
  });

  it('leaves a complete answer complete', () => {
    const state = asked(
      ['part', 0, ['record', { messages: [], responses: [{ id: 'm', model: 'M', usage: {} }] }]],
      ['part', 0, ['open', 0, { type: 'text' }]],
      ['part', 0, ['add', 0, 'Whole']],
      ['part', 0, ['close', 0, { block: { type: 'text' } }]],
      ['part', 0, ['state', { status: 'complete' }]],
    );
    const record = partialOutput(state, 1, 'surely')!.data[MIME_TYPE] as Record<string, unknown>;
    expect(record['status']).toBe('complete');
    expect((record['versions'] as Record<string, unknown>[])[0]!['status']).toBe('stopped');
  });

  it('shows the earlier answer if nothing was received', () => {
    const { data } = partialOutput(asked(), 1, 'surely')!;
    expect(data[MIME_TYPE]).toMatchObject({ id: 'turn-0', versions: [], newer: 0 });
  });
});
