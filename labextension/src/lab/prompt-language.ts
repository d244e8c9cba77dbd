// The language of prompt cells: Markdown in which each `{{ expr }}` is Python. Both come from JupyterLab.
import { Language, LanguageSupport } from '@codemirror/language';
import { Compartment, Prec, type Extension } from '@codemirror/state';
import type { CodeMirrorEditor, IEditorLanguageRegistry } from '@jupyterlab/codemirror';
import { parseMixed } from '@lezer/common';
import { tags } from '@lezer/highlight';
import type { Element, MarkdownConfig, MarkdownParser } from '@lezer/markdown';

const BRACE = '{'.charCodeAt(0);

/**
 * Return where the expression ends that `text` starts with, after its `}}`, or -1. The kernel takes the first end with
 * which it is valid Python; this is the first one before which all braces are closed.
 */
export function expressionLength(text: string): number {
  if (!text.startsWith('{{')) return -1;
  const first = text.indexOf('}}', 2);
  let open = 0;
  let counted = 2;
  for (let end = first; end >= 0; end = text.indexOf('}}', end + 1)) {
    for (; counted < end; counted++)
      open += Number(text[counted] === '{') - Number(text[counted] === '}');
    if (open === 0) return end + 2;
  }
  return first < 0 ? -1 : first + 2;
}

function expressions(python: Language): MarkdownConfig {
  return {
    defineNodes: [
      'PromptExpression',
      'PromptPython',
      { name: 'PromptBraces', style: tags.processingInstruction },
    ],
    parseInline: [
      {
        name: 'PromptExpression',
        before: 'Escape',
        parse(cx, next, pos) {
          if (next !== BRACE || cx.char(pos + 1) !== BRACE) return -1;
          const text = cx.slice(pos, cx.end);
          const length = expressionLength(text);
          const isClosed = length > 0;
          // One that the user is typing ends with its line. Completion looks at its tokens.
          const end = pos + (isClosed ? length : text.search(/\n|$/));
          const braces = (from: number): Element => cx.elt('PromptBraces', from, from + 2);
          const parts = [
            braces(pos),
            cx.elt('PromptPython', pos + 2, isClosed ? end - 2 : end),
            ...(isClosed ? [braces(end - 2)] : []),
          ];
          return cx.addElement(cx.elt('PromptExpression', pos, end, parts));
        },
      },
    ],
    wrap: parseMixed(({ name }) => (name === 'PromptPython' ? { parser: python.parser } : null)),
  };
}

/** Return the language; null if JupyterLab lacks one of the two, or its Markdown cannot be extended. */
export async function loadPromptLanguage(
  languages: IEditorLanguageRegistry,
): Promise<Extension | null> {
  const [markdown, python] = await Promise.all([
    languages.getLanguage('text/x-ipythongfm'),
    languages.getLanguage('text/x-python'),
  ]);
  if (!markdown?.support || !python?.support) return null;
  const { data, parser, name } = markdown.support.language;
  if (!('configure' in parser)) return null;
  const extended = (parser as MarkdownParser).configure(expressions(python.support.language));
  return Prec.highest(new LanguageSupport(new Language(data, extended, [], name)));
}

const compartments = new WeakMap<CodeMirrorEditor, Compartment>();

/** Use the language in an editor, over the one of its MIME type; null ends that. */
export function useLanguage(editor: CodeMirrorEditor, language: Extension | null): void {
  const compartment = compartments.get(editor);
  if (compartment) {
    const current = compartment.get(editor.state);
    if (current !== (language ?? NONE))
      editor.editor.dispatch({ effects: compartment.reconfigure(language ?? NONE) });
  } else if (language) {
    const created = new Compartment();
    compartments.set(editor, created);
    editor.injectExtension(created.of(language));
  }
}

const NONE: Extension = [];
