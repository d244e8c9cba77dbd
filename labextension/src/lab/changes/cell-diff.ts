// Shows a proposed text of a cell in the cell's own editor: the lines to remove are marked, and the lines to add are shown
// below them. The document of the editor stays the text of the cell, so a proposal is never saved or run.
import { Chunk } from '@codemirror/merge';
import {
  Compartment,
  StateEffect,
  StateField,
  Text,
  type Extension,
  type Range,
} from '@codemirror/state';
import { Decoration, EditorView, WidgetType, type DecorationSet } from '@codemirror/view';
import { element } from '../../renderer/element';
import { codeNodes, type Marked } from './code-nodes';

const CONFIG = { scanLimit: 1_000, timeout: 200 };
/** A text is struck through, but not the spaces around it. */
const INKED = /\S+(?:[^\S\n]+\S+)*/g;

/** What the diff of a cell shows, in the language of its reader. */
export interface DiffTexts {
  readonly added: string;
  readonly keepOld: string;
}

export class CellDiff {
  private readonly extension = new Compartment();
  private chunks: readonly Chunk[] = [];
  private proposed: Text;

  /** `changed` is called when the user has left out a part of the proposal. */
  constructor(
    private readonly view: EditorView,
    after: string,
    private readonly texts: DiffTexts,
    private readonly changed: () => void,
  ) {
    this.proposed = Text.of(after.split('\n'));
    view.dispatch({ effects: StateEffect.appendConfig.of(this.extension.of([])) });
    this.show();
  }

  /** The proposed text, without the changes that the user has left out. */
  get text(): string {
    return this.proposed.toString();
  }

  /** How many lines are added and removed. */
  get size(): { added: number; removed: number } {
    const { doc } = this.view.state;
    const lines = (text: Text, from: number, to: number, end: number): number =>
      from === to ? 0 : text.lineAt(end).number - text.lineAt(from).number + 1;
    let [added, removed] = [0, 0];
    for (const { fromA, toA, endA, fromB, toB, endB } of this.chunks) {
      removed += lines(doc, fromA, toA, endA);
      added += lines(this.proposed, fromB, toB, endB);
    }
    return { added, removed };
  }

  dispose(): void {
    this.view.dispatch({ effects: this.extension.reconfigure([]) });
  }

  private show(): void {
    const { doc } = this.view.state;
    this.chunks = Chunk.build(doc, this.proposed, CONFIG);
    const decorations = Decoration.set(
      this.chunks.flatMap((chunk) => [...this.decorationsOf(chunk, doc)]),
      true,
    );
    this.view.dispatch({ effects: this.extension.reconfigure(this.extensionFor(decorations)) });
  }

  private extensionFor(decorations: DecorationSet): Extension {
    return [
      StateField.define<DecorationSet>({
        create: () => decorations,
        update: (shown, { changes }) => shown.map(changes),
        provide: (field) => EditorView.decorations.from(field),
      }),
      EditorView.editorAttributes.of({ class: 'mm-cell-diff' }),
    ];
  }

  private *decorationsOf(chunk: Chunk, doc: Text): Generator<Range<Decoration>> {
    const { fromA, toA, endA, changes } = chunk;
    for (let at = fromA; at < toA && at <= doc.length; at = doc.lineAt(at).to + 1)
      yield Decoration.line({ class: 'mm-removed-line' }).range(at);
    for (const change of changes) {
      const [from, to] = [fromA + change.fromA, Math.min(fromA + change.toA, endA)];
      for (const { index, 0: found } of doc.sliceString(from, to).matchAll(INKED))
        yield Decoration.mark({ tagName: 'del', class: 'mm-removed' }).range(
          from + index,
          from + index + found.length,
        );
    }
    const isBelow = toA > fromA || fromA > doc.length;
    yield Decoration.widget({
      widget: new AddedLines(this.addedNode(chunk)),
      block: true,
      side: isBelow ? 1 : -1,
    }).range(Math.min(endA, doc.length));
  }

  /** Return the lines to add, and the button that leaves out the change if there are several. */
  private addedNode(chunk: Chunk): HTMLElement {
    const { fromB, toB, endB, changes } = chunk;
    const marks = changes.map((change): Marked => [
      fromB + change.fromB,
      Math.min(fromB + change.toB, endB),
    ]);
    const el = element('div', 'mm-added-lines');
    if (toB > fromB) {
      const code = codeNodes(this.view.state, this.text, fromB, endB, marks);
      const added = element('ins', 'mm-added-code', ...code);
      added.setAttribute('aria-label', this.texts.added);
      el.append(added);
    }
    if (this.chunks.length > 1) {
      const button = element('button', 'mm-button mm-keep-old', this.texts.keepOld);
      button.type = 'button';
      button.addEventListener('click', () => {
        this.leaveOut(chunk);
      });
      el.append(button);
    }
    el.setAttribute('data-lm-suppress-shortcuts', 'true');
    return el;
  }

  private leaveOut({ fromA, endA, toA, fromB, endB, toB }: Chunk): void {
    const { doc } = this.view.state;
    const [old, now] = [linesOf(doc), linesOf(this.proposed)];
    const kept = fromA === toA ? [] : old.slice(lineAt(doc, fromA), lineAt(doc, endA) + 1);
    const from = lineAt(this.proposed, fromB);
    now.splice(from, fromB === toB ? 0 : lineAt(this.proposed, endB) + 1 - from, ...kept);
    this.proposed = Text.of(now.length > 0 ? now : ['']);
    this.show();
    this.changed();
  }
}

function linesOf(text: Text): string[] {
  return text.toString().split('\n');
}

/** Return the number of a line, from 0; of the line after the last one for a position after the end. */
function lineAt(text: Text, at: number): number {
  return at > text.length ? text.lines : text.lineAt(at).number - 1;
}

class AddedLines extends WidgetType {
  constructor(private readonly node: HTMLElement) {
    super();
  }

  override eq(other: AddedLines): boolean {
    return other.node === this.node;
  }

  override toDOM(): HTMLElement {
    return this.node;
  }

  /** The editor leaves clicks and keys in the button alone. */
  override ignoreEvent(): boolean {
    return true;
  }
}
