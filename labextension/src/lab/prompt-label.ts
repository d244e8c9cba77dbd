// The label of a prompt cell: its thread, or "MiniMax" for the thread `main`. The style sheet shows it beside the cell.
import { visible } from '../renderer/visible-characters';
import { findPrompt, MAGIC } from './prompt-cell';
import { flagsIn } from './prompt-flags';

/** Return the label of a cell with this source; null if it is not a prompt cell. Without a flag its thread is `thread`. */
export function promptLabel(source: string, thread: string): string | null {
  const magic = findPrompt(source)?.magic;
  if (!magic?.startsWith(MAGIC)) return null;
  const name = flagsIn(magic).thread ?? thread;
  return name === 'main' || name === '' ? 'MiniMax' : visible(name);
}
