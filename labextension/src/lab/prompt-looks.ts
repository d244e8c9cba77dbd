// What sets prompt cells apart while the user types: an accent with a label, and their language, which is Markdown with
// Python in `{{ }}`. Every other cell looks as it always does.
import type { Cell, ICellModel } from '@jupyterlab/cells';
import { CodeMirrorEditor } from '@jupyterlab/codemirror';
import type { Extension } from '@codemirror/state';
import type { NotebookPanel } from '@jupyterlab/notebook';
import { effectiveSetting } from '../picker/settings';
import { SETTINGS_KEY } from '../protocol';
import { isRecord } from '../renderer/turn-state';
import { factsOf } from './kernel-facts';
import { findPrompt, isCodeCell, isPrompt } from './prompt-cell';
import { promptLabel } from './prompt-label';
import { useLanguage } from './prompt-language';
import { showWholeAnswer } from './whole-answers';

const MARKDOWN = 'text/x-ipythongfm';
const RAW = /\s--raw(?:\s|$)/;

/** The settings of the extension, and the language once it is loaded. */
export interface Looks {
  readonly isMarkdown: boolean;
  readonly hasAccent: boolean;
  readonly language: Extension | null;
}

/** Keeps the looks of the cells of one notebook up to date. */
export class PromptLooks {
  private readonly watched = new WeakSet<ICellModel>();

  constructor(
    private readonly panel: NotebookPanel,
    private readonly looks: () => Looks,
  ) {
    const { model } = panel.content;
    if (!model) return;
    model.cells.changed.connect((_, { newValues }) => {
      this.check(newValues);
    });
    const checkAll = (): void => {
      this.checkAll();
    };
    model.metadataChanged.connect(checkAll); // the thread
    factsOf(model).listeners.add(checkAll);
    panel.disposed.connect(() => factsOf(model).listeners.delete(checkAll));
    checkAll();
  }

  checkAll(): void {
    this.panel.node.classList.toggle('mm-marks-prompts', this.looks().hasAccent);
    this.check(this.panel.content.model?.cells ?? []);
  }

  private check(cells: Iterable<ICellModel>): void {
    const thread = this.thread();
    for (const model of cells) {
      if (!this.watched.has(model)) {
        this.watched.add(model);
        model.contentChanged.connect(() => {
          this.checkCell(model, this.thread());
        });
        model.mimeTypeChanged.connect(() => {
          this.checkType(model);
        });
      }
      this.checkCell(model, thread);
    }
  }

  private checkCell(model: ICellModel, thread: string): void {
    if (!isCodeCell(model)) return;
    this.checkType(model);
    const cell = this.panel.content.widgets.find((each) => each.model === model);
    if (!cell) return;
    const label = promptLabel(model.sharedModel.getSource(), thread);
    cell.node.classList.toggle('mm-prompt-cell', label !== null);
    if (label !== null) showWholeAnswer(cell);
    if (label === null) cell.node.style.removeProperty('--mm-prompt-label');
    else cell.node.style.setProperty('--mm-prompt-label', JSON.stringify(label));
    if (cell.editor) this.checkLanguage(cell);
    else
      void cell.ready.then(() => {
        if (!cell.isDisposed) this.checkLanguage(cell);
      });
  }

  private checkType(model: ICellModel): void {
    if (!isCodeCell(model)) return;
    const isMarkdown = this.looks().isMarkdown && isPrompt(model.sharedModel.getSource());
    if (isMarkdown && model.mimeType !== MARKDOWN) model.mimeType = MARKDOWN;
    if (!isMarkdown && model.mimeType === MARKDOWN)
      model.mimeType = this.panel.content.codeMimetype;
  }

  private checkLanguage({ model, editor }: Cell): void {
    if (!(editor instanceof CodeMirrorEditor)) return;
    const { isMarkdown, language } = this.looks();
    const source = model.sharedModel.getSource();
    const fills = isPrompt(source) && !RAW.test(findPrompt(source)?.magic ?? '');
    useLanguage(editor, isMarkdown && fills ? language : null);
  }

  /** Return the thread of a prompt without a flag. */
  private thread(): string {
    const { model } = this.panel.content;
    if (!model) return '';
    const settings: unknown = model.getMetadata(SETTINGS_KEY);
    const sent = factsOf(model).settings ?? {};
    const own = isRecord(settings) ? settings : {};
    return effectiveSetting('thread', 'notebook', own, sent)?.shown ?? '';
  }
}
