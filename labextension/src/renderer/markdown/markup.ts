// Which HTML an answer may contain, and which letters need rules of their own. mm_magics/display/gfm.py is the twin of this
// module, and both read markup.json.
import {
  attributes,
  blocks,
  cjk,
  dropped,
  rightToLeft,
  shown,
} from '../../../../mm_magics/display/markup.json';

const words = (list: string): string[] => list.split(' ');

/** The elements that are shown. */
export const SHOWN = words(shown);
const ELEMENTS = new Set([...SHOWN, ...words(dropped)]);
/** The elements of text, each of which has its own direction. */
export const BLOCKS = words(blocks).join();
/** The attributes that an answer may write, by element. */
export const ATTRIBUTES = new Map<string, readonly string[]>(
  Object.entries(attributes).map(([tag, names]) => [tag, words(names)]),
);
const TAG_OR_MARK = /<\/?([a-z][^\s<>/]*)(?:[\s/][^<>]*)?>|</gi;
const RIGHT_TO_LEFT = new RegExp(`[${rightToLeft}]`, 'u');
const CJK = new RegExp(`[${cjk}]`, 'u');

/** Escape what looks like a tag but is not one of those elements: a type parameter, XML, a script, a comment. */
export function escapeOtherTags(html: string): string {
  return html.replace(TAG_OR_MARK, (tag, name?: string) =>
    name !== undefined && ELEMENTS.has(name.toLowerCase()) ? tag : tag.replace(/</, '&lt;'),
  );
}

export function hasRightToLeft(text: string): boolean {
  return RIGHT_TO_LEFT.test(text);
}

/** Return whether the text contains a Chinese, Japanese or Korean character. */
export function hasCjk(text: string): boolean {
  return CJK.test(text);
}
