// What the turns on a page need after the first text. The extension loads it as a script; on a page without the extension,
// a second hidden widget per kernel does.
import type { Typesetting } from '../renderer/markdown/typeset';
import { typesetting } from '../renderer/typesetting/typesetting';
import { slot } from './slot';

slot<Typesetting>('mm_magics.typesetting/1').resolve(typesetting);

export default {
  initialize(): void {
    // Loading the module is enough.
  },
  render(): void {
    // Nothing to show.
  },
};
