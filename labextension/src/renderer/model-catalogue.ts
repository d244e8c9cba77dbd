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

/** How the thinking of a model is controlled: not at all, on request, or by an effort. */
export type Thinking = 'always' | 'adaptive' | 'effort';

/** `window` in tokens, `speed` in tokens per second; null if unknown. */
export interface Model {
  readonly name: string;
  readonly window: number | null;
  readonly speed: number | null;
  readonly price: Price | null;
  /** The price of a call with more than `LONG_INPUT` input tokens, if it differs. */
  readonly long_price: Price | null;
  readonly thinking: Thinking;
  /** The date that was announced for its retirement, or ''. */
  readonly retired: string;
}

export const CATALOGUE = table as readonly Model[];

const LONG_INPUT = 512_000;

/** Return the model with this name, or undefined if it is not in the catalogue. */
export function modelNamed(name: unknown): Model | undefined {
  return CATALOGUE.find((model) => model.name === name);
}

type Usage = Readonly<Record<string, unknown>>;

function tokens(usage: Usage, name: string): number {
  const value = usage[`${name}_tokens`];
  return typeof value === 'number' ? value : 0;
}

function inputOf(usage: Usage): number {
  return (
    tokens(usage, 'input') +
    tokens(usage, 'cache_read_input') +
    tokens(usage, 'cache_creation_input')
  );
}

function priceOf(usage: Usage, model: Model | undefined): Price | null | undefined {
  return (inputOf(usage) > LONG_INPUT ? model?.long_price : null) ?? model?.price;
}

/** Return the cost of one call in US dollars, computed like `mm_magics.api.models.cost`; null if it is unknown. */
export function costOf(usage: Usage, model: Model | undefined): number | null {
  const price = priceOf(usage, model);
  if (!price) return null;
  return (
    (tokens(usage, 'input') * price.input +
      tokens(usage, 'output') * price.output +
      tokens(usage, 'cache_read_input') * price.cache_read +
      tokens(usage, 'cache_creation_input') * price.cache_write) /
    1_000_000
  );
}

/** Return how many US dollars the cache of the endpoint saved in one call; 0 if it is unknown. */
export function savedBy(usage: Usage, model: Model | undefined): number {
  const price = priceOf(usage, model);
  const saved = price ? price.input - price.cache_read : 0;
  return (tokens(usage, 'cache_read_input') * saved) / 1_000_000;
}

/** Return the tokens of an answer and of everything before it; 0 if the input was not counted. */
export function sizeOf(usage: Usage): number {
  const input = inputOf(usage);
  return input && input + tokens(usage, 'output');
}

/** 0.00123 -> "≈ $0.0012", 0.00004 -> "< $0.0001", 1234.5 -> "≈ $1,234.50"; like `mm_magics.wording.dollars`. */
export function dollars(cost: number): string {
  if (cost < 0.0001) return cost > 0 ? '< $0.0001' : '$0';
  const digits = cost < 1 ? 4 : 2;
  const options = { minimumFractionDigits: digits, maximumFractionDigits: digits };
  return `≈ $${cost.toLocaleString('en', options)}`;
}
