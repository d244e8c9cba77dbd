// A saved turn as JupyterLab shows it, with the marks that the kernel reports.
import type { RenderMimeRegistry } from '@jupyterlab/rendermime';
import type { IRenderMime } from '@jupyterlab/rendermime-interfaces';
import type { JSONObject } from '@lumino/coreutils';
import { Widget } from '@lumino/widgets';
import { beforeEach, describe, expect, it } from 'vitest';
import { kernelPlugin } from '../../src/lab/kernel-plugin';
import { rendererPlugin } from '../../src/lab/mime-renderer';
import { MIME_TYPE } from '../../src/protocol';
import {
  fakeApp,
  newRendermime,
  openNotebook,
  settled,
  turnOutput,
  turnRecord,
} from './fake-jupyterlab';

let rendermime: RenderMimeRegistry;

beforeEach(async () => {
  document.body.replaceChildren();
  rendermime = newRendermime();
  await rendererPlugin.activate(fakeApp().app, rendermime, null);
});

type Renderer = IRenderMime.IRenderer;

async function render(data: object, metadata: object = {}, renderer?: Renderer): Promise<Renderer> {
  const drawn = renderer ?? rendermime.createRenderer(MIME_TYPE);
  if (!drawn.isAttached) Widget.attach(drawn, document.body);
  const model = rendermime.createModel({
    data: data as JSONObject,
    metadata: metadata as JSONObject,
    trusted: true,
  });
  await drawn.renderModel(model);
  return drawn;
}

describe('a turn record', () => {
  it('is preferred to the other types of the output and drawn at once', async () => {
    const data = { [MIME_TYPE]: turnRecord('**Hello**'), 'text/html': '<b>saved</b>' };
    expect(rendermime.preferredMimeType(data as never)).toBe(MIME_TYPE);
    const { node } = await render(data);
    expect(node.querySelector('strong')?.textContent).toBe('Hello');
    expect(node.textContent).not.toContain('saved');
    expect(node.textContent).toContain('MiniMax-M2.7');
  });

  it('is drawn with the notes in the metadata of the output', async () => {
    const notes = { [MIME_TYPE]: { notes: ['top_k is ignored'] } };
    const { node } = await render({ [MIME_TYPE]: turnRecord('Hi') }, notes);
    expect(node.querySelector('.mm-note')?.textContent).toBe('top_k is ignored');
  });

  it('is drawn with its own notes above those about this run, each once', async () => {
    const record = turnRecord('Hi', { schema: 2, notes: ['The last round was reached.', 7] });
    const notes = { [MIME_TYPE]: { notes: ['top_k is ignored'] } };
    const { node } = await render({ [MIME_TYPE]: record }, notes);
    const shown = [...node.querySelectorAll('.mm-note')].map((note) => note.textContent);
    expect(shown).toEqual(['The last round was reached.', 'top_k is ignored']);
  });

  it('keeps its nodes if the same output is rendered again', async () => {
    const data = { [MIME_TYPE]: turnRecord('Hi') };
    const renderer = await render(data);
    const turn = renderer.node.querySelector('.mm-turn');
    await render(data, {}, renderer);
    expect(renderer.node.querySelector('.mm-turn')).toBe(turn);
    await render({ [MIME_TYPE]: turnRecord('Changed') }, {}, renderer);
    expect(renderer.node.querySelectorAll('.mm-turn')).toHaveLength(1);
    expect(renderer.node.textContent).toContain('Changed');
  });

  it('keeps the parts open that the reader has opened, also if it changes', async () => {
    const messages = (text: string): object => ({
      messages: [
        {
          role: 'assistant',
          content: [
            { type: 'thinking', thinking: 'Hm.' },
            { type: 'tool_use', id: 'a', name: 'look', input: {} },
            { type: 'text', text },
          ],
        },
      ],
    });
    const renderer = await render({ [MIME_TYPE]: turnRecord('', messages('Hi')) });
    const opened = (): boolean[] =>
      [...renderer.node.querySelectorAll('details')].map(({ open }) => open);
    expect(opened()).toEqual([false, false]);
    renderer.node.querySelectorAll('details')[1]!.open = true;
    await render({ [MIME_TYPE]: turnRecord('', messages('Changed')) }, {}, renderer);
    expect(renderer.node.textContent).toContain('Changed');
    expect(opened()).toEqual([false, true]);
    const other = turnRecord('', { ...messages('Other'), id: 'turn-2' });
    await render({ [MIME_TYPE]: other }, {}, renderer);
    expect(opened()).toEqual([false, false]);
  });

  it('that cannot be drawn is shown by the other types of the output', async () => {
    const newer = turnRecord('Hi', { schema: 3 });
    const { node } = await render({ [MIME_TYPE]: newer, 'text/html': '<b>saved</b>' });
    expect(node.querySelector('b')?.textContent).toBe('saved');
    expect(node.querySelector('.mm-turn')).toBeNull();
  });

  it('that cannot be drawn, without other types, is reported', async () => {
    const { node } = await render({ [MIME_TYPE]: 7 });
    expect(node.textContent).toBe(
      'This answer is damaged or was saved by a newer version of mm_magics.',
    );
  });
});

describe('the marks of a turn', () => {
  const markText = (): string =>
    [...document.querySelectorAll('.mm-mark')].map((mark) => mark.textContent).join();

  it('are shown in its header, replaced, and shown again after it is redrawn', async () => {
    const cell = { source: '%%minimax\nHi.', outputs: [turnOutput(turnRecord('Hello'))] };
    const panel = openNotebook([cell], { rendermime });
    const { app, tracker } = fakeApp(panel);
    await kernelPlugin.activate(app, tracker);
    await settled();
    panel.schedule(0);
    expect(document.querySelectorAll('.mm-turn')).toHaveLength(1);
    panel.kernel.reply('mm_magics.document', { marks: { 'cell-0': { 'turn-1': ['stale'] } } });
    await settled();
    expect(markText()).toBe('stale');
    const model = panel.content.model!.cells.get(0);
    (model as unknown as { outputs: { fromJSON: (outputs: object[]) => void } }).outputs.fromJSON([
      turnOutput(turnRecord('Again')),
    ]);
    await settled();
    expect(document.querySelector('.mm-turn')?.textContent).toContain('Again');
    expect(markText()).toBe('stale');
    panel.kernel.reply('mm_magics.document', { marks: { 'cell-0': { another: ['stale'] } } });
    await settled();
    expect(markText()).toBe('');
    panel.kernel.reply('mm_magics.document', { marks: { 'cell-0': { 'turn-1': ['replayed'] } } });
    await settled();
    expect(markText()).toBe('replayed');
    panel.kernel.reply('mm_magics.document', { marks: {} });
    await settled();
    expect(markText()).toBe('');
  });
});
