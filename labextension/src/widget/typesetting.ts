// What the turn widgets need after the first text. A second hidden widget per kernel loads it.
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
