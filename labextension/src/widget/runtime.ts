// The main bundle of the turn widgets. One hidden widget per kernel loads it, and the stub of every turn uses it.
// If it is loaded again (two notebooks, two kernels), the first copy serves all turns on the page.
import { openTurn, type Connection, type Turn } from './turn-widget';

export interface Runtime {
  readonly open: (connection: Connection) => Turn;
}

interface Slot {
  ready?: Promise<Runtime>;
  resolve?: (runtime: Runtime) => void;
}

/** The number is the version of the interface between stub and runtime. */
const KEY = Symbol.for('mm_magics.runtime/1');

function slot(): Slot {
  const global = globalThis as unknown as Record<symbol, Slot | undefined>;
  const existing = global[KEY];
  if (existing) return existing;
  const created: Slot = {};
  created.ready = new Promise((resolve) => (created.resolve = resolve));
  global[KEY] = created;
  return created;
}

slot().resolve?.({ open: openTurn });

// anywidget expects these functions. The widget that loads the runtime shows nothing.
export default {
  initialize(): void {
    // Loading the module is enough.
  },
  render(): void {
    // Nothing to show.
  },
};
