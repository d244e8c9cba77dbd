// An image of the prompt, shown from its own data: nothing is loaded.
import { element } from '../element';
import { t } from '../strings';
import { isRecord, type Block } from '../turn-state';
import type { BlockView } from './block-view';

const TYPES: ReadonlySet<unknown> = new Set(['image/png', 'image/jpeg', 'image/gif', 'image/webp']);

/** Return an element that shows an image of the prompt, if it is the data of a harmless image type. */
export function imageElement({ source }: Readonly<Record<string, unknown>>): HTMLElement | string {
  const { type, media_type, data } = isRecord(source) ? source : {};
  const isData = typeof data === 'string' && /^[A-Za-z0-9+/]+={0,2}$/.test(data);
  if (type !== 'base64' || !TYPES.has(media_type) || !isData) return t('image.hidden');
  const image = document.createElement('img');
  image.alt = t('image.alt');
  image.src = `data:${String(media_type)};base64,${data}`;
  return image;
}

export class ImageView implements BlockView {
  readonly el = element('div', 'mm-image');

  constructor(block: Block) {
    this.el.append(imageElement(block.head));
  }

  update(): void {
    // An image does not change.
  }

  step(): boolean {
    return false;
  }
}
