// Describes models in words: window, speed, price, and whether the endpoint offers them.
import { CATALOGUE, modelNamed } from '../renderer/model-catalogue';
import { fill, type Translation } from '../renderer/strings';
import type { ModelOption } from './model-combobox';

/** What is known about models besides the catalogue. */
export interface ModelFacts {
  /** The names of the models that the endpoint lists; undefined if it is not known. */
  readonly models?: readonly string[] | undefined;
  /** The user's own prices in US dollars per million tokens of input and output, by model. */
  readonly prices?: Readonly<Record<string, readonly number[]>> | undefined;
}

/** Return the catalogue's models, and those that only the endpoint lists, with their descriptions. */
export function modelOptions(facts: ModelFacts, trans: Translation): ModelOption[] {
  const known = CATALOGUE.map(({ name }) => name);
  const more = (facts.models ?? []).filter((name) => !modelNamed(name));
  return [...known, ...more].map((name) => ({
    name,
    details: describeModel(name, facts, trans),
  }));
}

/** Return `window 204,800 tokens · about 60 tokens/s · $0.30 in, $1.20 out per million · offered here`, as far as it is known. */
export function describeModel(name: string, facts: ModelFacts, trans: Translation): string {
  const model = modelNamed(name);
  const own = facts.prices?.[name];
  const price = own ? { input: own[0] ?? 0, output: own[1] ?? 0 } : model?.price;
  const parts: string[] = [];
  if (model?.window)
    parts.push(
      fill(trans.__('window {tokens} tokens'), { tokens: model.window.toLocaleString('en-US') }),
    );
  parts.push(
    model?.speed
      ? fill(trans.__('about {speed} tokens/s'), { speed: model.speed })
      : trans.__('speed unknown'),
  );
  const text = own
    ? trans.__('${input} in, ${output} out per million (your price)')
    : trans.__('${input} in, ${output} out per million');
  parts.push(
    price
      ? fill(text, { input: amount(price.input), output: amount(price.output) })
      : trans.__('price unknown'),
  );
  if (model?.retired)
    parts.push(fill(trans.__('announced as retired on {date}'), { date: model.retired }));
  parts.push(availability(name, facts, trans));
  return parts.join(' · ');
}

function amount(dollars: number): string {
  return dollars.toFixed(Number.isInteger(dollars * 100) ? 2 : 3);
}

function availability(name: string, { models }: ModelFacts, trans: Translation): string {
  if (!models?.length) return trans.__('not known whether it is offered here');
  if (!models.includes(name)) return trans.__('not offered here');
  return modelNamed(name) ? trans.__('offered here') : trans.__('new: listed only by the endpoint');
}
