// The state of one turn on this page, and all views of it.
// A turn can have several views, and a view can be created late, so the state is not kept in a view.
import type { WidgetMessage } from '../protocol';
import type { Decide } from '../renderer/views/approval-view';
import { EMPTY, isRunning, reduce, type TurnState } from '../renderer/turn-state';
import { TurnView } from '../renderer/turn-view';

/** What the stub passes to the runtime for a turn. */
export interface Connection {
  readonly send: (message: WidgetMessage) => void;
  /** When the widget model was created, as a value of `performance.now()`. */
  readonly startedAt: number;
}

export interface Turn {
  readonly receive: (content: unknown) => void;
  /** Show the turn in `el`. Return a function that removes the view. */
  readonly render: (el: HTMLElement) => () => void;
  readonly close: () => void;
}

/** When an important message is repeated: the kernel may receive the first messages of a page only after the cell. */
const REPEAT_AFTER_MS = [500, 1_000, 2_000, 4_000, 8_000];

export function openTurn({ send, startedAt }: Connection): Turn {
  let state: TurnState = EMPTY;
  const views = new Set<TurnView>();
  const announcedCalls = new Set<string>();

  const sendRepeatedly = (message: WidgetMessage, isNeeded: () => boolean): void => {
    const sendIfNeeded = (): void => {
      if (views.size > 0 && isNeeded()) send(message);
    };
    sendIfNeeded();
    for (const delay of REPEAT_AFTER_MS) setTimeout(sendIfNeeded, delay);
  };

  const apply = (ops: unknown): void => {
    state = reduce(state, ops);
    for (const view of views) view.update(state);
  };

  const onStop = (): void => {
    if (state.fields.stopping === true) return;
    sendRepeatedly({ type: 'stop' }, () => isRunning(state.fields.status));
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
        if (call.state !== 'asking' || announcedCalls.has(id)) continue;
        announcedCalls.add(id);
        sendRepeatedly({ type: 'here' }, () => state.calls.get(id)?.state === 'asking');
      }
    },
    render(el) {
      const view = new TurnView(el, { startedAt, onStop, onDecide });
      views.add(view);
      view.update(state);
      // The kernel asks for approval only where a page is present.
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
