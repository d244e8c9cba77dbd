// The MIME renderer for turn records: it draws a saved turn with the same view as a streaming one, and a record of a turn
// that is still running as it streams.
// An output that it cannot draw is shown by its other MIME types. The view sanitizes model text, trusted or not.
import type { JupyterFrontEndPlugin } from '@jupyterlab/application';
import { IRenderMimeRegistry } from '@jupyterlab/rendermime';
import type { IRenderMime } from '@jupyterlab/rendermime-interfaces';
import { ITranslator, nullTranslator } from '@jupyterlab/translation';
import type { Message } from '@lumino/messaging';
import { Panel } from '@lumino/widgets';
import { MIME_TYPE } from '../protocol';
import { injectStyle } from '../renderer/inject-style';
import { offerCodeActions } from '../renderer/markdown/decorate-html';
import { loadTypesettingWith, requestTypesetting } from '../renderer/markdown/typeset';
import { recordToOps } from '../renderer/record-to-ops';
import { continues, EMPTY, isRecord, reduce } from '../renderer/turn-state';
import { shareTranslation } from '../renderer/strings';
import { TurnView } from '../renderer/turn-view';
import { isFinal } from './answer-places';
import { codeActions } from './code-actions';
import style from './controls.css';
import { liveTurn, onLiveTurn, type LiveTurn } from './live-turns';
import { loadTypesetting } from './load-typesetting';
import { CONTROL } from '../renderer/views/header';
import { CHOOSE, headerActions } from './header-controls';
import { UndisplayedTurn, viewOf } from './undisplayed-turns';

/** A bubbling event from a turn that is now on the page. A listener can reply to its node with `TURN_MARKED`. */
export const TURN_DRAWN = 'mm-drawn';
/** The detail of this event holds lists of marks, by turn id. */
export const TURN_MARKED = 'mm-marked';

/** A longer record, in characters, is drawn frame by frame. A shorter one is drawn at once, so the page does not jump. */
const DRAW_AT_ONCE_LIMIT = 200_000;

class TurnRenderer extends Panel implements IRenderMime.IRenderer {
  private view: TurnView | null = null;
  private state = EMPTY;
  private turnId: unknown = null;
  private model: IRenderMime.IMimeModel | null = null;
  private live: LiveTurn | null = null;
  /** A turn that was shown without an output, until this renderer is on the page. */
  private arriving: UndisplayedTurn | null = null;
  private unwatch = (): void => undefined;
  private readonly ignoreLiveTurns = onLiveTurn(({ id }) => {
    if (id === this.turnId && this.model) void this.renderModel(this.model);
  });
  private readonly actions = headerActions(
    () => this.turnId,
    () => this.node,
  );
  /** The record and notes that are drawn, as JSON. */
  private drawn = '';

  constructor(
    private readonly rendermime: IRenderMimeRegistry,
    private readonly unreadable: string,
  ) {
    super();
    this.addClass('mm-rendered');
    this.node.addEventListener(TURN_MARKED, (event) => {
      if (event instanceof CustomEvent) this.mark(event.detail);
    });
  }

  async renderModel(model: IRenderMime.IMimeModel): Promise<void> {
    this.model = model;
    const saved = model.data[MIME_TYPE];
    const id = isRecord(saved) ? saved['id'] : undefined;
    const live = liveTurn(id);
    if (live?.state.record && (live.isRunning || live.isLost)) {
      this.follow(live);
      return;
    }
    const metadata = isRecord(model.metadata[MIME_TYPE]) ? model.metadata[MIME_TYPE] : {};
    const notes = Array.isArray(metadata['notes']) ? metadata['notes'] : [];
    const gone = metadata['partial'] === 'gone';
    const focused = this.focusedControl();
    try {
      const record = JSON.stringify([saved, notes, gone]);
      if (this.view && record === this.drawn) return;
      this.unfollow();
      const ops = recordToOps(saved, notes);
      if (ops !== null) {
        this.draw(id, [...ops, ['state', { gone }]], record.length);
        this.drawn = record;
        this.announceDrawn();
        this.focusControl(focused);
        return;
      }
    } catch (error) {
      console.debug('mm_magics: a turn could not be drawn', error);
    }
    this.clear();
    await this.drawOtherTypes(model);
  }

  override dispose(): void {
    this.ignoreLiveTurns();
    this.clear();
    super.dispose();
  }

  protected override onAfterAttach(message: Message): void {
    super.onAfterAttach(message);
    this.moveArriving();
    this.announceDrawn();
  }

  private announceDrawn(): void {
    if (this.view && this.isAttached)
      this.node.dispatchEvent(new Event(TURN_DRAWN, { bubbles: true }));
  }

  private mark(byTurn: unknown): void {
    if (!this.view || !isRecord(byTurn)) return;
    const marks = typeof this.turnId === 'string' ? byTurn[this.turnId] : undefined;
    this.state = reduce(this.state, [['state', { marks: Array.isArray(marks) ? marks : [] }]]);
    this.view.update(this.state);
  }

  /** Draw the turn as it streams. */
  private follow(live: LiveTurn): void {
    if (this.live === live) return;
    this.clear();
    this.live = live;
    this.turnId = live.id;
    this.takeUndisplayed(live.id);
    this.view ??= viewOf(live, this.node);
    const update = (): void => {
      this.state = live.state;
      this.view?.update(this.state);
      if (liveTurn(live.id) === live || !this.model) return;
      this.live = null;
      const { data, metadata } = this.model;
      // The output of a turn that has ended is about to be replaced by the whole turn.
      if (live.isRunning || isFinal(data, metadata)) void this.renderModel(this.model);
    };
    this.unwatch = live.watch(update);
    update();
  }

  private unfollow(): void {
    this.unwatch();
    this.live = null;
  }

  private clear(): void {
    this.unfollow();
    this.view?.dispose();
    this.view = null;
    this.arriving?.dispose();
    this.arriving = null;
    this.turnId = null;
    this.drawn = '';
    for (const child of [...this.widgets]) child.dispose();
    this.node.replaceChildren();
  }

  /** Return the name of the control of the header that has the focus: it gets it back when the turn is drawn again. */
  private focusedControl(): string | undefined {
    const { activeElement } = document;
    const inside = activeElement instanceof HTMLElement && this.node.contains(activeElement);
    return inside ? activeElement.dataset[CONTROL] : undefined;
  }

  private focusControl(name: string | undefined): void {
    if (name === undefined) return;
    this.view?.flush();
    const controls = [...this.node.querySelectorAll<HTMLElement>('.mm-header button')];
    const same = controls.filter((control) => control.dataset[CONTROL] === name);
    // Once an answer is chosen, only the switch between the versions is left.
    const found = name === CHOOSE && same.length === 0 ? controls.slice(0, 1) : same;
    for (const control of found) control.focus({ preventScroll: true });
  }

  /** Continue the view of a turn that was not an output while it ran. */
  private takeUndisplayed(id: unknown): void {
    const undisplayed = this.view ? null : UndisplayedTurn.take(id);
    if (!undisplayed) return;
    this.view = undisplayed.view;
    this.arriving = undisplayed;
    this.moveArriving();
    this.turnId = id;
    this.state = undisplayed.turn.state;
  }

  private moveArriving(): void {
    if (!this.isAttached) return;
    this.arriving?.moveTo(this.node);
    this.arriving = null;
  }

  private draw(id: unknown, ops: unknown[], size: number): void {
    const next = reduce(EMPTY, ops);
    this.takeUndisplayed(id);
    // A turn that was followed to its end keeps its nodes: the reader may have opened or selected some.
    const isSameTurn = this.view !== null && id === this.turnId;
    const continued = isSameTurn ? continues(this.state, next) : null;
    const opened = isSameTurn ? this.sections.map(({ open }) => open) : [];
    if (!continued) this.clear();
    const view = (this.view ??= new TurnView(this.node, this.actions));
    this.turnId = id;
    this.state = continued ?? next;
    view.update(this.state);
    if (size > DRAW_AT_ONCE_LIMIT) return;
    view.flush();
    const { sections } = this;
    if (!continued && sections.length === opened.length)
      for (const [index, section] of sections.entries()) section.open = opened[index] ?? false;
  }

  /** The parts that can be folded. */
  private get sections(): HTMLDetailsElement[] {
    return [...this.node.querySelectorAll('details')];
  }

  private async drawOtherTypes({ data, metadata, trusted }: IRenderMime.IMimeModel): Promise<void> {
    const others = Object.fromEntries(Object.entries(data).filter(([type]) => type !== MIME_TYPE));
    const type = this.rendermime.preferredMimeType(others, trusted ? 'any' : 'ensure');
    if (type === undefined) {
      this.node.textContent = this.unreadable;
      return;
    }
    const child = this.rendermime.createRenderer(type);
    this.addWidget(child);
    await child.renderModel(this.rendermime.createModel({ data: others, metadata, trusted }));
  }
}

export const rendererPlugin: JupyterFrontEndPlugin<void> = {
  id: 'mm-magics:renderer',
  description: 'Renders saved answers of MiniMax prompt cells.',
  autoStart: true,
  requires: [IRenderMimeRegistry],
  optional: [ITranslator],
  activate: (app, rendermime: IRenderMimeRegistry, translator: ITranslator | null) => {
    const trans = (translator ?? nullTranslator).load('mm_magics');
    shareTranslation(trans);
    injectStyle(document.body, 'controls', style);
    offerCodeActions(codeActions(trans));
    loadTypesettingWith(loadTypesetting);
    // So that the first formula does not move the text below it.
    void app.restored.then(requestTypesetting);
    const unreadable = trans.__(
      'This answer is damaged or was saved by a newer version of mm_magics.',
    );
    rendermime.addFactory({
      safe: true,
      mimeTypes: [MIME_TYPE],
      // Before widgets (-10): the output of a running turn contains one for pages without this extension.
      defaultRank: -20,
      createRenderer: () => new TurnRenderer(rendermime, unreadable),
    });
  },
};
