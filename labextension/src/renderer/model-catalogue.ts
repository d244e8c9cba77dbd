// What is known of MiniMax's models: the front end's copy of `mm_magics.api.models.CATALOGUE`, in its order.
// A test of the Python package keeps the two equal.
import table from './model-catalogue.json';

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

/** US dollars for one call by its `usage`: as `mm_magics.api.models.cost` counts them. */
export function costOf(usage: Readonly<Record<string, unknown>>, price: Price): number {
  const tokens = (name: string): number => {
    const value = usage[name];
    return typeof value === 'number' ? value : 0;
  };
  return (
    (tokens('input_tokens') * price.input +
      tokens('output_tokens') * price.output +
      tokens('cache_read_input_tokens') * price.cache_read +
      tokens('cache_creation_input_tokens') * price.cache_write) /
    1_000_000
  );
}

/** 0.00123 -> "≈ $0.0012", 1234.5 -> "≈ $1,234.50". */
export function dollars(cost: number): string {
  const digits = cost < 1 ? 4 : 2;
  const options = { minimumFractionDigits: digits, maximumFractionDigits: digits };
  return `≈ $${cost.toLocaleString('en', options)}`;
}
