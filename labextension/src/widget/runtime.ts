// The main bundle of the turn widgets. One hidden widget per kernel loads it, and the stub of every turn uses it.
// If it is loaded again (two notebooks, two kernels), the first copy serves all turns on the page.
import {
  loadTypesettingWith,
  requestTypesetting,
  type Typesetting,
} from '../renderer/markdown/typeset';
import { slot } from './slot';
import { openTurn, type Connection, type Turn } from './turn-widget';

export interface Runtime {
  readonly open: (connection: Connection) => Turn;
}

/** stub.js has the same name. */
slot<Runtime>('mm_magics.runtime/1').resolve({ open: openTurn });

// The kernel sends it after the first text.
loadTypesettingWith(() => slot<Typesetting>('mm_magics.typesetting/1').ready);
requestTypesetting();

// anywidget expects these functions. The widget that loads the runtime shows nothing.
export default {
  initialize(): void {
    // Loading the module is enough.
  },
  render(): void {
    // Nothing to show.
  },
};
