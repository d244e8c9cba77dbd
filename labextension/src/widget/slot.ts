// A place on the page where one module offers something to others: they are loaded separately, in any order.

interface Slot<T> {
  ready: Promise<T>;
  resolve: (value: T) => void;
}

/** Return the slot with a name. The number in the name is the version of what it offers. */
export function slot<T>(name: string): Slot<T> {
  const key = Symbol.for(name);
  const global = globalThis as unknown as Record<symbol, Slot<T> | undefined>;
  const existing = global[key];
  if (existing) return existing;
  let resolve: Slot<T>['resolve'] = () => undefined;
  const ready = new Promise<T>((done) => (resolve = done));
  return (global[key] = { ready, resolve });
}
