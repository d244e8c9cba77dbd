// Links from a turn to the cells that it changed. Only the extension can go to a cell: elsewhere they are plain text.

/** Goes to the cell with an id, from an element of the page. Returns whether the notebook has the cell. */
type GoTo = (from: HTMLElement, cell: string) => boolean;

let goTo: GoTo | null = null;

/** Let links go to cells. */
export function enableCellLinks(go: GoTo): void {
  goTo = go;
}

/** Whether links go to cells. */
export function hasCellLinks(): boolean {
  return goTo !== null;
}

/** Go to a cell, and return whether there is one. */
export function goToCell(from: HTMLElement, cell: string): boolean {
  return goTo?.(from, cell) ?? false;
}
