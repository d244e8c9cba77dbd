// The dialog that applies code from an answer to a cell: it shows what changes, and changes the cell only on Accept.
// What is written is exactly the text that the comparison shows.
import { unifiedMergeView } from '@codemirror/merge';
import { EditorState, type Extension } from '@codemirror/state';
import { EditorView, highlightSpecialChars, lineNumbers } from '@codemirror/view';
import { Dialog, showDialog } from '@jupyterlab/apputils';
import type { Cell, ICellModel } from '@jupyterlab/cells';
import { jupyterTheme, type IEditorLanguageRegistry } from '@jupyterlab/codemirror';
import type { Notebook } from '@jupyterlab/notebook';
import type { TranslationBundle } from '@jupyterlab/translation';
import { Widget } from '@lumino/widgets';
import { element } from '../renderer/element';
import { fill } from '../renderer/strings';
import { visible } from '../renderer/visible-characters';
import { activateCell } from './insert-cells';
import { isPrompt } from './prompt-cell';

const EXCERPT = 60;

/** Let the user choose a cell and compare it with the code, and replace its text if the user accepts. */
export async function applyToCell(
  notebook: Notebook,
  promptCell: ICellModel,
  code: string,
  trans: TranslationBundle,
  languages: IEditorLanguageRegistry | null,
): Promise<void> {
  const python = await languages?.getLanguage('python');
  const cells = notebook.widgets.filter(({ model }) => canReplace(model));
  const title = trans.__('Apply to cell');
  if (cells.length === 0) {
    const body = trans.__('This notebook has no other code cell. Insert the code below instead.');
    await showDialog({ title, body, buttons: [Dialog.okButton()] });
    return;
  }
  let chosen = likelyCell(notebook, cells, promptCell, code);
  for (let changed = false; ; changed = true) {
    const body = new Comparison(notebook, cells, chosen, code, python?.support ?? [], trans);
    if (changed) body.note(trans.__('The cell has changed. This is the new comparison.'));
    const { button } = await showDialog({
      title,
      body,
      buttons: [
        Dialog.cancelButton({ label: trans.__('Reject') }),
        Dialog.okButton({ label: trans.__('Accept') }),
      ],
      focusNodeSelector: '.mm-apply select',
    });
    chosen = body.cell;
    if (!button.accept || chosen.isDisposed) return;
    if (chosen.model.sharedModel.getSource() !== body.original) continue;
    replaceSource(chosen.model, body.text);
    await activateCell(notebook, notebook.widgets.indexOf(chosen));
    return;
  }
}

function canReplace(model: ICellModel): boolean {
  const isEditable = model.getMetadata('editable') !== false;
  return model.type === 'code' && isEditable && !isPrompt(model.sharedModel.getSource());
}

/** Replace the text of a cell in one step, which undo takes back. */
function replaceSource({ sharedModel }: ICellModel, text: string): void {
  sharedModel.transact(() => {
    sharedModel.updateSource(0, sharedModel.getSource().length, text);
  });
}

/** Return the cell that has most lines of the code; without such a cell, the one above the prompt, else the first below. */
function likelyCell(
  { widgets }: Notebook,
  cells: readonly Cell[],
  promptCell: ICellModel,
  code: string,
): Cell {
  const wanted = new Set(linesOf(code));
  const prompt = widgets.findIndex(({ model }) => model === promptCell);
  const distance = (cell: Cell): number => {
    const below = widgets.indexOf(cell) - prompt;
    return below < 0 ? -below : widgets.length + below;
  };
  const common = new Map(
    cells.map((cell) => {
      const lines = new Set(linesOf(cell.model.sharedModel.getSource()));
      return [cell, [...lines].filter((line) => wanted.has(line)).length];
    }),
  );
  const [best] = [...cells].sort(
    (a, b) => (common.get(b) ?? 0) - (common.get(a) ?? 0) || distance(a) - distance(b),
  );
  return best as Cell;
}

function linesOf(source: string): string[] {
  return source
    .split('\n')
    .map((line) => line.trim())
    .filter(Boolean);
}

/** The body of the dialog: the choice of the cell, and what would change in it. */
class Comparison extends Widget {
  /** The cell that is compared. */
  cell: Cell;
  /** Its text in the comparison. */
  original = '';
  private view: EditorView | null = null;
  private readonly message = element('p', 'mm-apply-note');
  private readonly diff = element('div', 'mm-diff');

  constructor(
    notebook: Notebook,
    cells: readonly Cell[],
    chosen: Cell,
    private readonly code: string,
    private readonly language: Extension,
    private readonly trans: TranslationBundle,
  ) {
    super();
    this.addClass('mm-apply');
    this.cell = chosen;
    const select = element('select', 'jp-mod-styled');
    for (const cell of cells) {
      const option = element('option', '', this.nameOf(notebook, cell));
      option.selected = cell === chosen;
      select.append(option);
    }
    select.addEventListener('change', () => {
      this.cell = cells[select.selectedIndex] ?? this.cell;
      this.compare();
    });
    this.message.setAttribute('role', 'status');
    this.diff.setAttribute('role', 'group');
    this.diff.setAttribute('aria-label', trans.__('Changes'));
    this.diff.tabIndex = 0;
    this.node.append(element('label', '', trans.__('Cell'), select), this.message, this.diff);
    this.compare();
  }

  /** The text that the cell gets. */
  get text(): string {
    return this.view?.state.doc.toString() ?? this.original;
  }

  note(text: string): void {
    this.message.textContent = text;
  }

  override dispose(): void {
    this.view?.destroy();
    super.dispose();
  }

  private compare(): void {
    const { trans } = this;
    this.view?.destroy();
    this.original = this.cell.model.sharedModel.getSource();
    const isSame = this.original === this.code;
    this.note(
      isSame
        ? trans.__('The cell has exactly this code.')
        : trans.__('Red lines are removed from the cell, green lines are added.'),
    );
    const state = EditorState.create({
      doc: this.code,
      extensions: [
        jupyterTheme,
        this.language,
        lineNumbers(),
        highlightSpecialChars(),
        EditorState.readOnly.of(true),
        EditorView.editable.of(false),
        EditorView.contentAttributes.of({ 'aria-label': trans.__('Changes') }),
        unifiedMergeView({
          original: this.original,
          mergeControls: (type, action) => this.chunkButton(type, action),
        }),
      ],
    });
    this.view = new EditorView({ state, parent: this.diff });
  }

  /** Return the button that takes one change back. Changes need no button to be accepted. */
  private chunkButton(type: 'reject' | 'accept', action: (event: MouseEvent) => void): HTMLElement {
    if (type === 'accept') return element('span', '');
    const button = element('button', 'mm-button', this.trans.__('Keep the old lines'));
    button.type = 'button';
    button.addEventListener('click', (event) => {
      action(event);
      // The button is gone. Without the focus in it, the dialog ignores keys.
      (this.diff.querySelector('button') ?? this.diff).focus();
    });
    return button;
  }

  private nameOf({ widgets }: Notebook, cell: Cell): string {
    const [first = ''] = linesOf(cell.model.sharedModel.getSource());
    const text = visible(first.length > EXCERPT ? `${first.slice(0, EXCERPT)}…` : first);
    const number = widgets.indexOf(cell) + 1;
    return text
      ? fill(this.trans.__('Cell {number}: {text}'), { number, text })
      : fill(this.trans.__('Cell {number} (empty)'), { number });
  }
}
