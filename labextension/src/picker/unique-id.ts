// The extension and the picker's widget are separate bundles on one page, and count its ids together.
const KEY = Symbol.for('mm_magics.picker-ids/1');

/** Return an id that no other element of the page has. */
export function uniqueId(): string {
  const page = globalThis as unknown as Record<symbol, number | undefined>;
  const count = (page[KEY] ?? 0) + 1;
  page[KEY] = count;
  return `mm-picker-${count}`;
}
