// Prompt cells are highlighted as Markdown, and other cells are not.
import { markdown } from '@codemirror/lang-markdown';
import { python } from '@codemirror/lang-python';
import { ensureSyntaxTree, type LanguageSupport } from '@codemirror/language';
import { EditorLanguageRegistry, type CodeMirrorEditor } from '@jupyterlab/codemirror';
import { Signal } from '@lumino/signaling';
import { beforeEach, describe, expect, it } from 'vitest';
import { receiveFacts } from '../../src/lab/kernel-facts';
import { highlightPlugin } from '../../src/lab/highlight-prompts';
import { fakeApp, openNotebook, settled, type FakePanel } from './fake-jupyterlab';

const MARKDOWN = 'text/x-ipythongfm';

async function activate(
  panel: FakePanel,
  settings: object | null = null,
  languages: object | null = null,
): Promise<void> {
  const { app, tracker } = fakeApp(panel);
  await highlightPlugin.activate(app, tracker, settings, languages);
  await settled();
}

const types = ({ content }: FakePanel): string[] =>
  content.widgets.map(({ model }) => model.mimeType);

/** The languages of JupyterLab that prompts use. */
function languages(): EditorLanguageRegistry {
  const registry = new EditorLanguageRegistry();
  const load = (support: LanguageSupport) => (): Promise<LanguageSupport> =>
    Promise.resolve(support);
  registry.addLanguage({ name: 'ipythongfm', mime: MARKDOWN, load: load(markdown()) });
  registry.addLanguage({ name: 'python', mime: 'text/x-python', load: load(python()) });
  return registry;
}

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

describe('the accent', () => {
  const label = (panel: FakePanel, at: number): string | null => {
    const { classList, style } = panel.content.widgets[at]!.node;
    return classList.contains('mm-prompt-cell')
      ? (JSON.parse(style.getPropertyValue('--mm-prompt-label')) as string)
      : null;
  };

  it.each([
    ['%%minimax\nHi', 'MiniMax'],
    ['# Note.\n%%time\n%%minimax --quiet\nHi', 'MiniMax'],
    ['%%minimax --thread side\nHi', 'side'],
    ['%%minimax --thread=side -m x', 'side'],
    ['%%minimax --thread "two words"', 'two words'],
    ['%%minimax --thread main', 'MiniMax'],
    ["%%minimax --thread 'a\u202e\"\\b'", 'a[U+202E]"\\b'],
    ['%%minimax\n--thread side', 'MiniMax'],
    ['%%minimaxx', null],
    ['x = "%%minimax"', null],
    ['%minimax explain', null],
  ])('of %j has the label %j', async (source, expected) => {
    const panel = openNotebook([source, 'x = 1', { source: '%%minimax', type: 'markdown' }]);
    await activate(panel);
    expect([0, 1, 2].map((at) => label(panel, at))).toEqual([expected, null, null]);
    expect(panel.node.classList.contains('mm-marks-prompts')).toBe(true);
  });

  it('follows the text of the cell, the metadata and the kernel', async () => {
    const panel = openNotebook(['x', '%%minimax']);
    await activate(panel);
    panel.setSource(0, '%%minimax');
    panel.content.model!.setMetadata('minimax', { thread: 'notes' });
    expect([label(panel, 0), label(panel, 1)]).toEqual(['notes', 'notes']);
    panel.setSource(1, 'y');
    receiveFacts(panel.content.model, {
      settings: { thread: { shown: 'mine', source: 'set in this kernel' } },
    });
    expect([label(panel, 0), label(panel, 1)]).toEqual(['mine', null]);
  });

  it('is turned off by a setting', async () => {
    const panel = openNotebook(['%%minimax']);
    let accent = false;
    const loaded = {
      changed: new Signal<object, undefined>({}),
      get: (name: string) => ({ composite: name === 'accent' ? accent : true }),
    };
    await activate(panel, { load: () => Promise.resolve(loaded) });
    expect(panel.node.classList.contains('mm-marks-prompts')).toBe(false);
    accent = true;
    loaded.changed.emit(undefined);
    expect(panel.node.classList.contains('mm-marks-prompts')).toBe(true);
  });
});

describe('the language', () => {
  /** Return the names of the syntax nodes of a cell that contain exactly this text. */
  const nodesOf = (panel: FakePanel, text: string, cell = 0): string[] => {
    const { editor } = panel.content.widgets[cell]!.editor as CodeMirrorEditor;
    const names: string[] = [];
    const tree = ensureSyntaxTree(editor.state, editor.state.doc.length, 5_000)!;
    tree.iterate({
      enter: ({ from, to, name }) => {
        if (editor.state.sliceDoc(from, to) === text) names.push(name);
      },
    });
    return names;
  };

  it.each([
    ['%%minimax\nWhat is {{ value }}?', 'value', ['VariableName']],
    ['%%minimax\nWhat is {{ d["a"] }}?', '"a"', ['String']],
    ['%%minimax\n{{ {"a": {"b": 1}}["a"] }} x', '{"a": {"b": 1}}', ['DictionaryExpression']],
    ['%%minimax\n{{ f(1,\n  2) }}', 'f', ['VariableName']],
    ['%%minimax\n- one {{ x }}\n- two', 'x', ['VariableName']],
    ['%%minimax\n{{ [a](b) }}', '[a]', ['ArrayExpression']],
    ['%%minimax\n🎉 {{ x }}', 'x', ['VariableName']],
    ['%%minimax\n{{ x\ny', 'x', ['VariableName']],
    ['%%minimax\n{{ x\ny', 'y', []],
    ['%%minimax\n{{', '{{', []],
    ['%%minimax\n{ x }', 'x', []],
    ['%%minimax\n`{{ x }}`', 'x', []],
    ['%%minimax --raw\n{{ x }}', 'x', []],
  ])('of %j has %j as %j', async (source, text, expected) => {
    const panel = openNotebook([source]);
    await activate(panel, null, languages());
    await settled();
    const names = nodesOf(panel, text);
    expect(
      names.filter((name) => /^[A-Z]\w+$/.test(name) && !/^(Prompt|Script|Expression)/.test(name)),
    ).toEqual(expected);
  });

  it('never takes an expression for a link, and the rest is Markdown', async () => {
    const panel = openNotebook([
      '%%minimax\n{{ d["a"][0] }} and **bold** and [link](https://example.org)',
    ]);
    await activate(panel, null, languages());
    await settled();
    expect(nodesOf(panel, '["a"]')).toEqual([]);
    expect(nodesOf(panel, '**bold**')).toEqual(['StrongEmphasis']);
    expect(nodesOf(panel, '[link](https://example.org)')).toEqual(['Link']);
  });

  it('ends when the cell is not a prompt any more', async () => {
    const panel = openNotebook(['%%minimax\n{{ x }}']);
    await activate(panel, null, languages());
    await settled();
    panel.setSource(0, '{{ x }}');
    expect(nodesOf(panel, '{{')).toEqual([]);
  });
});
