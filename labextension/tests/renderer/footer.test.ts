// The footer of a turn: its notes are links to the cells that they are about.
import { expect, it } from 'vitest';
import { enableCellLinks } from '../../src/renderer/cell-links';
import { Footer } from '../../src/renderer/views/footer';

it('a note leads to the cell that the record has now, also if its text is the same', () => {
  const visited: string[] = [];
  enableCellLinks((_, cell) => visited.push(cell) > 0);
  const footer = new Footer();
  for (const cell of ['old', 'new'])
    footer.update({
      status: 'complete',
      notes: ['Edited a cell.'],
      changes: [{ text: 'Edited a cell.', cell }],
    });
  footer.el.querySelector<HTMLElement>('.mm-cell-link')!.click();
  expect(visited).toEqual(['new']);
});
