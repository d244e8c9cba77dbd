// Describes in words a model, and what the next prompt cell uses.
import { modelNamed, type Model } from '../renderer/model-catalogue';
import { fill, type Translation } from '../renderer/strings';
import { visible } from '../renderer/visible-characters';
import { isValid, NAMES, type Name, type Settings } from './settings';

/** Return `window 204,800 tokens · about 60 tokens/s · $0.30 in, $1.20 out per million`, without what is unknown. */
export function describeModel(
  { window, speed, price, retired }: Model,
  trans: Translation,
): string {
  const parts: string[] = [];
  if (window) {
    const tokens = window.toLocaleString('en-US');
    parts.push(fill(trans.__('window {tokens} tokens'), { tokens }));
  }
  if (speed) parts.push(fill(trans.__('about {speed} tokens/s'), { speed }));
  if (price) {
    const [input, output] = [price.input.toFixed(2), price.output.toFixed(2)];
    parts.push(fill(trans.__('${input} in, ${output} out per million'), { input, output }));
  }
  if (retired) parts.push(fill(trans.__('announced as retired on {date}'), { date: retired }));
  return parts.join(' · ');
}

/** Return what the next prompt cell uses. Invalid settings are not mentioned. */
export function describeSettings(settings: Settings, trans: Translation): string {
  const texts: Record<Name, string> = {
    model: trans.__('model {value}'),
    thinking: trans.__('thinking {value}'),
    temperature: trans.__('temperature {value}'),
    top_p: trans.__('top_p {value}'),
    max_tokens: trans.__('at most {value} tokens'),
    system: trans.__('the system prompt above'),
    thread: trans.__('thread {value}'),
  };
  const valid = NAMES.filter((name) => isValid(name, settings[name]));
  if (!valid.length) return trans.__('The next prompt cell uses the settings of the kernel.');
  const parts = valid.map((name) => fill(texts[name], { value: visible(String(settings[name])) }));
  const line = fill(trans.__('The next prompt cell uses {parts}.'), { parts: parts.join(', ') });
  const model = modelNamed(settings['model']);
  if (model?.thinking !== 'always' || settings['thinking'] !== 'off') return line;
  const alwaysThinks = trans.__('{model} always thinks; the endpoint ignores “off”.');
  return `${line} ${fill(alwaysThinks, { model: model.name })}`;
}
