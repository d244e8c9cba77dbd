// The MIME renderer of a turn record: the same view that streams, drawn from what was saved.
// Always true: what cannot be drawn is shown by the output's other types; model text is sanitised by the view,
// trusted or not.
import type { JupyterFrontEndPlugin } from '@jupyterlab/application';
import { IRenderMimeRegistry } from '@jupyterlab/rendermime';
import type { IRenderMime } from '@jupyterlab/rendermime-interfaces';
import { ITranslator, nullTranslator } from '@jupyterlab/translation';
import type { JSONObject } from '@lumino/coreutils';
import type { Message } from '@lumino/messaging';
import { Panel } from '@lumino/widgets';
import { opsOf } from '../renderer/record-to-ops';
import { EMPTY, isRecord, reduce } from '../renderer/turn-state';
import { shareTranslation } from '../renderer/strings';
import { TurnView } from '../renderer/turn-view';
import { MIME_TYPE } from './prompt-cell';

/** Said, bubbling, of a turn that is on the page now; what hears it may answer the node with `MARKED`. */
export const DRAWN = 'mm-drawn';
/** Its detail are lists of marks by the id of the turn. */
export const MARKED = 'mm-marked';

/** A record of at most so many characters is drawn at once, so that the page does not jump; the rest frame by frame. */
const AT_ONCE = 200_000;

class TurnRenderer extends Panel implements IRenderMime.IRenderer {
  private view: TurnView | null = null;
  private state = EMPTY;
  private turn: unknown = null;
  private drawn = '';

  constructor(
    private readonly rendermime: IRenderMimeRegistry,
    private readonly unreadable: string,
  ) {
    super();
    this.addClass('mm-rendered');
    this.node.addEventListener(MARKED, (event) => {
      if (event instanceof CustomEvent) this.mark(event.detail);
    });
  }

  async renderModel(model: IRenderMime.IMimeModel): Promise<void> {
    const said = model.metadata[MIME_TYPE];
    const notes = isRecord(said) && Array.isArray(said['notes']) ? said['notes'] : [];
    const record = JSON.stringify([model.data[MIME_TYPE], notes]);
    if (this.view && record === this.drawn) return;
    this.clear();
    try {
      const ops = opsOf(model.data[MIME_TYPE]);
      if (ops !== null) {
        this.draw([...ops, ['state', { notes }]], record.length);
        this.drawn = record;
        this.turn = (model.data[MIME_TYPE] as JSONObject)['id'];
        this.announce();
        return;
      }
    } catch (error) {
      console.debug('mm_magics: a turn could not be drawn', error);
      this.clear();
    }
    await this.drawOthers(model);
  }

  override dispose(): void {
    this.clear();
    super.dispose();
  }

  protected override onAfterAttach(message: Message): void {
    super.onAfterAttach(message);
    this.announce();
  }

  private announce(): void {
    if (this.view && this.isAttached) this.node.dispatchEvent(new Event(DRAWN, { bubbles: true }));
  }

  private mark(byTurn: unknown): void {
    if (!this.view || !isRecord(byTurn)) return;
    const marks = typeof this.turn === 'string' ? byTurn[this.turn] : undefined;
    this.state = reduce(this.state, [['state', { marks: Array.isArray(marks) ? marks : [] }]]);
    this.view.update(this.state);
  }

  private clear(): void {
    this.view?.dispose();
    this.view = null;
    this.drawn = '';
    for (const child of [...this.widgets]) child.dispose();
    this.node.replaceChildren();
  }

  private draw(ops: unknown[], size: number): void {
    this.view = new TurnView(this.node);
    this.state = reduce(EMPTY, ops);
    this.view.update(this.state);
    if (size <= AT_ONCE) this.view.flush();
  }

  private async drawOthers({ data, metadata, trusted }: IRenderMime.IMimeModel): Promise<void> {
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
  description: 'Draws the saved answers of MiniMax prompt cells.',
  autoStart: true,
  requires: [IRenderMimeRegistry],
  optional: [ITranslator],
  activate: (_app, rendermime: IRenderMimeRegistry, translator: ITranslator | null) => {
    const trans = (translator ?? nullTranslator).load('mm_magics');
    shareTranslation(trans);
    const unreadable = trans.__('This answer is damaged, or of a newer version of mm_magics.');
    rendermime.addFactory({
      safe: true,
      mimeTypes: [MIME_TYPE],
      defaultRank: 10,
      createRenderer: () => new TurnRenderer(rendermime, unreadable),
    });
  },
};
