// The known MiniMax models: a copy of `mm_magics.api.models.CATALOGUE`, in the same order.
// A Python test fails if the two differ.
import table from './model-catalogue.json';

/** US dollars per million tokens. */
export interface Price {
  readonly input: number;
  readonly output: number;
  readonly cache_read: number;
  readonly cache_write: number;
}

/** `window` in tokens, `speed` in tokens per second; null if unknown. */
export interface Model {
  readonly name: string;
  readonly window: number | null;
  readonly speed: number | null;
  readonly price: Price | null;
}

export const CATALOGUE: readonly Model[] = table;

/** Return the model with this name, or undefined if it is not in the catalogue. */
export function modelNamed(name: unknown): Model | undefined {
  return CATALOGUE.find((model) => model.name === name);
}

/** Return the cost of one call in US dollars, computed like `mm_magics.api.models.cost`. */
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

/** 0.00123 -> "≈ $0.0012", 0.00004 -> "< $0.0001", 1234.5 -> "≈ $1,234.50"; like `mm_magics.wording.dollars`. */
export function dollars(cost: number): string {
  if (cost < 0.0001) return cost > 0 ? '< $0.0001' : '$0';
  const digits = cost < 1 ? 4 : 2;
  const options = { minimumFractionDigits: digits, maximumFractionDigits: digits };
  return `≈ $${cost.toLocaleString('en', options)}`;
}
