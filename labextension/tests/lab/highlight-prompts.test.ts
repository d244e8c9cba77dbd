// Prompt cells are highlighted as Markdown, and other cells are not.
import { Signal } from '@lumino/signaling';
import { beforeEach, expect, it } from 'vitest';
import { highlightPlugin } from '../../src/lab/highlight-prompts';
import { fakeApp, openNotebook, settled, type FakePanel } from './fake-jupyterlab';

const MARKDOWN = 'text/x-ipythongfm';

async function activate(panel: FakePanel, settings: object | null = null): Promise<void> {
  const { app, tracker } = fakeApp(panel);
  await highlightPlugin.activate(app, tracker, settings);
  await settled();
}

const types = ({ content }: FakePanel): string[] =>
  content.widgets.map(({ model }) => model.mimeType);

beforeEach(() => {
  document.body.replaceChildren();
});

it('a prompt cell is Markdown as soon as it starts with the magic, and no longer', async () => {
  const panel = openNotebook(['%%minimax\n# Hi', 'x = 1', { source: '# H', type: 'markdown' }]);
  await activate(panel);
  const [, code, markdown] = types(panel);
  expect(types(panel)[0]).toBe(MARKDOWN);
  expect(code).not.toBe(MARKDOWN);
  panel.setSource(1, '%%minimax');
  panel.setSource(0, '# %%minimax');
  expect(types(panel)).toEqual([code, MARKDOWN, markdown]);
});

it('a cell that is inserted later is checked as well', async () => {
  const panel = openNotebook(['x']);
  await activate(panel);
  panel.content.model!.sharedModel.insertCell(1, { cell_type: 'code', source: '%%minimax\nHi' });
  expect(types(panel)[1]).toBe(MARKDOWN);
});

it('a prompt cell stays Markdown when the notebook sets the language of its cells', async () => {
  const panel = openNotebook(['%%minimax']);
  await activate(panel);
  panel.content.widgets[0]!.model.mimeType = 'text/x-python';
  expect(types(panel)).toEqual([MARKDOWN]);
});

it('the setting turns highlighting off and on', async () => {
  const panel = openNotebook(['%%minimax']);
  let enabled: unknown = false;
  const loaded = {
    changed: new Signal<object, undefined>({}),
    get: () => ({ composite: enabled }),
  };
  await activate(panel, { load: () => Promise.resolve(loaded) });
  expect(types(panel)).not.toEqual([MARKDOWN]);
  enabled = true;
  loaded.changed.emit(undefined);
  expect(types(panel)).toEqual([MARKDOWN]);
});

it('without settings prompt cells are highlighted', async () => {
  const panel = openNotebook(['%%minimax']);
  await activate(panel, { load: () => Promise.reject(new Error('unknown plugin')) });
  expect(types(panel)).toEqual([MARKDOWN]);
});
