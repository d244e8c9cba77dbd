// What the settings mean, in words: what a model is, and how the next prompt cell is asked.
import { modelNamed, type Model } from '../renderer/model-catalogue';
import { fill, type Translation } from '../renderer/strings';
import { visible } from '../renderer/visible-characters';
import { isValid, NAMES, type Name, type Settings } from './settings';

/** `window 204,800 tokens · about 60 tokens/s · $0.30 in, $1.20 out per million`, as far as it is known. */
export function figures({ window, speed, price }: Model, trans: Translation): string {
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
  return parts.join(' · ');
}

/** What the settings mean for the next prompt cell; of those that do not hold nothing is said. */
export function meaning(settings: Settings, trans: Translation): string {
  const says: Record<Name, string> = {
    model: trans.__('{value} answers'),
    thinking: trans.__('thinking {value}'),
    temperature: trans.__('temperature {value}'),
    top_p: trans.__('top_p {value}'),
    max_tokens: trans.__('at most {value} tokens'),
    system: trans.__('this system prompt'),
    thread: trans.__('it sees thread {value}'),
  };
  const holds = NAMES.filter((name) => isValid(name, settings[name]));
  if (!holds.length) return trans.__('The next prompt cell is asked as the kernel has it.');
  const parts = holds.map((name) => fill(says[name], { value: visible(String(settings[name])) }));
  const line = fill(trans.__('In the next prompt cell: {parts}.'), { parts: parts.join(', ') });
  const model = modelNamed(settings['model']);
  if (!model || settings['thinking'] !== 'off') return line;
  const thinks = trans.__('{model} always thinks; the endpoint ignores “off”.');
  return `${line} ${fill(thinks, { model: model.name })}`;
}
