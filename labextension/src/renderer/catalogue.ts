// What is known of MiniMax's models: the front end's copy of `mm_magics.models.CATALOGUE`, in its order.
// A test of the Python package keeps the two equal.
import table from './catalogue.json';

/** US dollars per million tokens. */
export interface Price {
  readonly input: number;
  readonly output: number;
  readonly cache_read: number;
  readonly cache_write: number;
}

/** `window` in tokens, `speed` in tokens per second; null where it is not known. */
export interface Model {
  readonly name: string;
  readonly window: number | null;
  readonly speed: number | null;
  readonly price: Price | null;
}

export const CATALOGUE: readonly Model[] = table;

/** The catalogue's entry; undefined for a name of which nothing is known. */
export function modelNamed(name: unknown): Model | undefined {
  return CATALOGUE.find((model) => model.name === name);
}
