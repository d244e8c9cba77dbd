// Shows running turns that have no output yet: a server that executes cells adds the output when the turn ends.
// The renderer of that output takes the view over, so what the reader has opened or selected stays.
import type { Cell, CodeCell } from '@jupyterlab/cells';
import { element } from '../renderer/element';
import { TurnView } from '../renderer/turn-view';
import { FollowEnd } from './follow-end';
import { headerActions } from './header-controls';
import type { LiveTurn } from './live-turns';

/** How long the end is followed after the turn: JupyterLab scrolls when the run of a cell has ended. */
const FOLLOW_AFTER_END_MS = 1_500;

const shown = new Map<string, UndisplayedTurn>();

export class UndisplayedTurn {
  readonly view: TurnView;
  private readonly node = element('div', 'jp-OutputArea-child mm-undisplayed');
  private readonly unwatch: () => void;

  private constructor(readonly turn: LiveTurn) {
    const output = element('div', 'jp-OutputArea-output mm-rendered');
    this.node.append(element('div', 'jp-OutputPrompt jp-OutputArea-prompt'), output);
    this.view = viewOf(turn, output);
    this.unwatch = turn.watch(() => {
      this.view.update(turn.state);
    });
    this.view.update(turn.state);
  }

  /** Show the turn below the source of its cell, instead of an earlier one. */
  static show(turn: LiveTurn, cell: Cell | undefined): void {
    const area = (cell as Partial<CodeCell> | undefined)?.outputArea?.node;
    if (!area) return;
    let own = shown.get(turn.id);
    if (!own) {
      for (const other of [...shown.values()]) if (area.contains(other.node)) other.dispose();
      own = new UndisplayedTurn(turn);
      shown.set(turn.id, own);
    }
    if (own.node.parentElement !== area) area.append(own.node);
  }

  /** Take over the view of a turn whose output is drawn now. */
  static take(id: unknown): UndisplayedTurn | null {
    const own = typeof id === 'string' ? shown.get(id) : undefined;
    if (!own) return null;
    shown.delete(own.turn.id);
    own.unwatch();
    return own;
  }

  /** Show the view in its output. Both places are on the page, or a selection in it would be lost. */
  moveTo(output: HTMLElement): void {
    this.view.moveTo(output);
    this.node.remove();
  }

  dispose(): void {
    shown.delete(this.turn.id);
    this.unwatch();
    this.view.dispose();
    this.node.remove();
  }
}

/** Return a view whose buttons act on the live turn. */
export function viewOf(turn: LiveTurn, root: HTMLElement): TurnView {
  const view: TurnView = new TurnView(root, {
    ...headerActions(
      () => turn.id,
      () => view.el,
    ),
    startedAt: turn.startedAt,
    onStop: () => void turn.stop(),
    onDecide: (...decision) => void turn.decide(...decision),
  });
  const end = new FollowEnd(view.el, view.body);
  const unwatch = turn.watch(() => {
    if (turn.isRunning) return;
    unwatch();
    setTimeout(() => {
      end.dispose();
    }, FOLLOW_AFTER_END_MS);
  });
  return view;
}
