// The MIME renderer of a turn record: the same view that streams, drawn from what was saved.
// Always true: what cannot be drawn is shown as the output's text; model text is sanitised by the view, trusted or not.
import type { IRenderMime } from '@jupyterlab/rendermime-interfaces';
import { Widget } from '@lumino/widgets';
import { opsOf } from '../renderer/record';
import { EMPTY, reduce } from '../renderer/state';
import { TurnView } from '../renderer/view';
import { MIME_TYPE } from './prompt';

class TurnRenderer extends Widget implements IRenderMime.IRenderer {
  private view: TurnView | null = null;

  renderModel(model: IRenderMime.IMimeModel): Promise<void> {
    this.view?.dispose();
    this.view = null;
    this.node.replaceChildren();
    const ops = opsOf(model.data[MIME_TYPE]);
    if (ops === null) {
      const text = model.data['text/markdown'] ?? model.data['text/plain'];
      const plain = document.createElement('pre');
      plain.textContent =
        typeof text === 'string' ? text : 'A turn of a newer version of mm_magics.';
      this.node.append(plain);
      return Promise.resolve();
    }
    this.view = new TurnView(this.node);
    this.view.update(reduce(EMPTY, ops));
    this.view.flush();
    return Promise.resolve();
  }

  override dispose(): void {
    this.view?.dispose();
    super.dispose();
  }
}

export const factory: IRenderMime.IRendererFactory = {
  safe: true,
  mimeTypes: [MIME_TYPE],
  defaultRank: 10,
  createRenderer: () => new TurnRenderer(),
};
