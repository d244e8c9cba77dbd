// Images of the prompt and of tool results, shown from their own data: nothing is loaded.
import { element } from '../element';
import { t } from '../strings';
import { contentParts, isImage, isRecord, type Block } from '../turn-state';
import type { BlockView } from './block-view';

const TYPES: ReadonlySet<unknown> = new Set(['image/png', 'image/jpeg', 'image/gif', 'image/webp']);

/** Return an element that shows the image of a block, if it is the data of a harmless image type. */
export function imageElement(
  { source }: Readonly<Record<string, unknown>>,
  alt = t('image.alt'),
): HTMLElement | string {
  const { type, media_type, data } = isRecord(source) ? source : {};
  const isData = typeof data === 'string' && /^[A-Za-z0-9+/]+={0,2}$/.test(data);
  if (type !== 'base64' || !TYPES.has(media_type) || !isData) return t('image.hidden');
  const image = document.createElement('img');
  image.alt = alt;
  image.src = `data:${String(media_type)};base64,${data}`;
  return image;
}

/** Return the images in the content of a tool result. */
export function resultImages({ head }: Block): HTMLElement[] {
  return contentParts(head['content'])
    .filter(isImage)
    .map((part) => element('div', 'mm-image', imageElement(part, t('image.result.alt'))));
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
