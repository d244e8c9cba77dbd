// The state of one turn on this page, and all views of it.
// A turn can have several views, and a view can be created late, so the state is not kept in a view.
import type { WidgetMessage } from '../protocol';
import type { Decide } from '../renderer/views/approval-view';
import { SignOfLife } from '../renderer/sign-of-life';
import { turnMessageIn, TurnProgress } from '../renderer/turn-message';
import { askingCall, isRunning, reduce } from '../renderer/turn-state';
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
  const progress = new TurnProgress();
  const views = new Set<TurnView>();
  const announcedCalls = new Set<string>();

  const sendRepeatedly = (message: WidgetMessage, isNeeded: () => boolean): void => {
    const sendIfNeeded = (): void => {
      if (views.size > 0 && isNeeded()) send(message);
    };
    sendIfNeeded();
    for (const delay of REPEAT_AFTER_MS) setTimeout(sendIfNeeded, delay);
  };

  const update = (): void => {
    for (const view of views) view.update(progress.state);
  };

  const apply = (ops: unknown): void => {
    progress.state = reduce(progress.state, ops);
    update();
  };

  const life = new SignOfLife((silent) => {
    apply([['state', { silent }]]);
  });

  const onStop = (): void => {
    if (progress.state.fields.stopping === true) return;
    sendRepeatedly({ type: 'stop' }, () => isRunning(progress.state.fields.status));
    apply([['state', { stopping: true }]]);
  };

  const onDecide: Decide = ({ id, sha256 }, decision) => {
    const key = askingCall(progress.state, id);
    if (key === null) return;
    send({ type: 'decide', question: id, sha256, ...decision });
    apply([['tool', key, { state: 'decided' }]]);
  };

  const remove = (view: TurnView): void => {
    views.delete(view);
    view.dispose();
  };

  return {
    receive(content) {
      const message = turnMessageIn(content);
      if (!message) return;
      progress.receive(message);
      update();
      if (isRunning(progress.state.fields.status)) life.seen();
      else life.end();
      for (const { question } of progress.state.calls.values()) {
        const id = question?.id;
        if (id === undefined || announcedCalls.has(id) || askingCall(progress.state, id) === null)
          continue;
        announcedCalls.add(id);
        sendRepeatedly({ type: 'here' }, () => askingCall(progress.state, id) !== null);
      }
    },
    render(el) {
      const view = new TurnView(el, { startedAt, onStop, onDecide });
      views.add(view);
      view.update(progress.state);
      // The kernel asks for approval only where a page is present.
      send({ type: 'here' });
      return () => {
        remove(view);
      };
    },
    close() {
      life.end();
      for (const view of views) remove(view);
    },
  };
}
