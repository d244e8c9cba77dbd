// The bundle that one hidden widget per kernel loads: it offers itself to every turn's stub on the page.
// Loading it again (two notebooks, two kernels) changes nothing: the first one serves them all.
import { openTurn, type Connection, type Turn } from './turn-widget';

export interface Runtime {
  readonly open: (connection: Connection) => Turn;
}

interface Slot {
  ready?: Promise<Runtime>;
  resolve?: (runtime: Runtime) => void;
}

/** The number is the protocol's: runtimes that speak another one have another slot. */
const KEY = Symbol.for('mm_magics.runtime/1');

function slot(): Slot {
  const global = globalThis as unknown as Record<symbol, Slot | undefined>;
  const known = global[KEY];
  if (known) return known;
  const made: Slot = {};
  made.ready = new Promise((resolve) => (made.resolve = resolve));
  global[KEY] = made;
  return made;
}

slot().resolve?.({ open: openTurn });

// What anywidget asks of a module; the runtime's own widget shows nothing.
export default {
  initialize(): void {
    // Being loaded is all it is for.
  },
  render(): void {
    // No visible view.
  },
};
