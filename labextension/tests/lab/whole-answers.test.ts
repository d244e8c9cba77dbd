// The answer of a prompt cell is not put into a box that scrolls, unless the user chose that.
import { Widget } from '@lumino/widgets';
import type { CodeCell } from '@jupyterlab/cells';
import { expect, it } from 'vitest';
import { showWholeAnswer } from '../../src/lab/whole-answers';

const SCROLLED = 'jp-mod-outputsScrolled';

function cellWith(...classes: string[]): Widget & { outputsScrolled: boolean } {
  const cell = Object.assign(new Widget(), { outputsScrolled: false });
  for (const each of classes) cell.addClass(each);
  showWholeAnswer(cell as unknown as CodeCell);
  return cell;
}

const observed = (): Promise<void> => new Promise((done) => setTimeout(done));

it.each([
  ['Notebook 7 scrolls a long output', ['mm-prompt-cell'], false, false],
  ['the user scrolls the output', ['mm-prompt-cell'], true, true],
  ['the cell is not a prompt any more', [], false, true],
] as const)('%s', async (_case, classes, isChosen, expected) => {
  const cell = cellWith(...classes);
  cell.outputsScrolled = isChosen;
  cell.addClass(SCROLLED);
  await observed();
  expect(cell.hasClass(SCROLLED)).toBe(expected);
});
