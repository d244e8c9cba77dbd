// One turn's state on this page and all the views that show it.
// The state lives here and not in a view: a view may come late, and there may be several.
import type { WidgetMessage } from '../protocol';
import type { Decide } from '../renderer/views/approval-view';
import { EMPTY, isRunning, reduce, type TurnState } from '../renderer/turn-state';
import { TurnView } from '../renderer/turn-view';

/** What the stub gives the runtime for a turn. */
export interface Connection {
  readonly send: (message: WidgetMessage) => void;
  /** When the turn's model was made, as a `performance.now()`. */
  readonly startedAt: number;
}

export interface Turn {
  readonly receive: (content: unknown) => void;
  /** Show the turn in `el`; returns what takes the view away again. */
  readonly render: (el: HTMLElement) => () => void;
  readonly close: () => void;
}

/** When what must be heard is said again, in milliseconds: a page's first messages may wait until the cell is over. */
const AGAIN = [500, 1_000, 2_000, 4_000, 8_000];

export function openTurn({ send, startedAt }: Connection): Turn {
  let state: TurnState = EMPTY;
  const views = new Set<TurnView>();
  const asked = new Set<string>();

  const insist = (message: WidgetMessage, wanted: () => boolean): void => {
    const say = (): void => {
      if (views.size > 0 && wanted()) send(message);
    };
    say();
    for (const wait of AGAIN) setTimeout(say, wait);
  };

  const apply = (ops: unknown): void => {
    state = reduce(state, ops);
    for (const view of views) view.update(state);
  };

  const onStop = (): void => {
    if (state.fields.stopping === true) return;
    insist({ type: 'stop' }, () => isRunning(state.fields.status));
    apply([['state', { stopping: true }]]);
  };

  const onDecide: Decide = (id, decision) => {
    if (state.calls.get(id)?.state !== 'asking') return;
    send({ type: 'decide', id, ...decision });
    apply([['tool', id, { state: 'decided' }]]);
  };

  const remove = (view: TurnView): void => {
    views.delete(view);
    view.dispose();
  };

  return {
    receive(content) {
      if (typeof content !== 'object' || content === null || !('ops' in content)) return;
      apply(content.ops);
      for (const [id, call] of state.calls) {
        if (call.state !== 'asking' || asked.has(id)) continue;
        asked.add(id);
        insist({ type: 'here' }, () => state.calls.get(id)?.state === 'asking');
      }
    },
    render(el) {
      const view = new TurnView(el, { startedAt, onStop, onDecide });
      views.add(view);
      view.update(state);
      // So that the kernel knows whom it can ask.
      send({ type: 'here' });
      return () => {
        remove(view);
      };
    },
    close() {
      for (const view of views) remove(view);
    },
  };
}
