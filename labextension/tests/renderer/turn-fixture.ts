// A turn that is shown in the document of each test, and the ops that change it.
import { afterEach, beforeEach, vi } from 'vitest';
import { EMPTY, reduce, type TurnState } from '../../src/renderer/turn-state';
import { TurnView } from '../../src/renderer/turn-view';

export interface ShownTurn {
  readonly el: HTMLElement;
  state: TurnState;
  /** Change the state by ops, and draw it. */
  readonly apply: (...ops: unknown[]) => void;
  readonly show: (state: TurnState) => void;
}

/** Show a new turn with this state before each test of the file. */
export function showTurn(status: string, model: string): ShownTurn {
  let view: TurnView;
  const turn: ShownTurn = {
    get el() {
      return view.el;
    },
    state: EMPTY,
    apply: (...ops) => {
      turn.show(reduce(turn.state, ops));
    },
    show: (state) => {
      turn.state = state;
      view.update(state);
      view.flush();
    },
  };
  beforeEach(() => {
    vi.useFakeTimers();
    document.body.replaceChildren();
    turn.state = EMPTY;
    view = new TurnView(document.body);
    turn.apply(['state', { status, model }]);
  });
  afterEach(() => {
    view.dispose();
    vi.useRealTimers();
  });
  return turn;
}
