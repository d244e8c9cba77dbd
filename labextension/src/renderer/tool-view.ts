// A tool call with its arguments and results, folded; and a result whose call is not here.
// Arguments are shown as they come and, once complete, as indented JSON.
import type { BlockView, Surroundings } from './block-view';
import { element } from './dress';
import { GrowingText } from './plain-view';
import type { Block } from './state';
import { duration, t } from './strings';
import { visible } from './visible';

const PREVIEW = 80;

function scrollBox(label: string): HTMLElement {
  const box = element('div', 'mm-plain mm-box');
  // What scrolls must be reachable by keyboard.
  box.tabIndex = 0;
  box.setAttribute('role', 'group');
  box.setAttribute('aria-label', label);
  return box;
}

function labelled(label: string, box: HTMLElement): HTMLElement {
  return element('div', 'mm-part', element('div', 'mm-label', label), box);
}

/** The complete arguments, or null if they are not JSON. */
function parsed({ text, head }: Block): unknown {
  if (text.trim() === '') return head['input'] ?? {};
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return null;
  }
}

function text(value: unknown): string {
  return visible(typeof value === 'string' ? value : '');
}

class ResultView {
  readonly el: HTMLElement;
  private readonly text: GrowingText;

  constructor(block: Block) {
    const failed = block.head['is_error'] === true;
    const label = t(failed ? 'tool.error' : 'tool.result');
    const box = scrollBox(label);
    this.text = new GrowingText(box);
    this.el = labelled(label, box);
    this.el.classList.toggle('mm-failed', failed);
  }

  update(block: Block): void {
    this.text.update(block);
  }
}

export class ToolView implements BlockView {
  readonly el = element('details', 'mm-tool');
  private readonly summary = element('summary', 'mm-summary');
  private readonly input: GrowingText;
  private readonly results = new Map<number, ResultView>();
  private complete = false;

  constructor() {
    const label = t('tool.arguments');
    const box = scrollBox(label);
    this.input = new GrowingText(box);
    this.el.append(this.summary, labelled(label, box));
  }

  update(block: Block, around: Surroundings): void {
    if (!this.complete) this.updateInput(block, around.over);
    for (const result of around.results) {
      let view = this.results.get(result.key);
      if (!view) {
        view = new ResultView(result);
        this.results.set(result.key, view);
        this.el.append(view.el);
      }
      view.update(result);
    }
    this.summarise(block, around);
  }

  step(): boolean {
    return false;
  }

  private updateInput(block: Block, over: boolean): void {
    if (!over) {
      this.input.update(block);
      return;
    }
    this.complete = true;
    const value = parsed(block);
    this.input.replace(value === null ? block.text : JSON.stringify(value, null, 2));
  }

  private summarise(block: Block, { over, running, results }: Surroundings): void {
    const name = element('code', 'mm-tool-name', text(block.head['name']));
    const children: (Node | string)[] = [`${t('tool.call')} `, name];
    if (over) {
      const flat = visible(block.text.slice(0, PREVIEW * 2).replace(/\s+/g, ' '));
      const preview = flat.length > PREVIEW ? `${flat.slice(0, PREVIEW)}…` : flat;
      children.push(' ', element('span', 'mm-preview', preview));
    }
    const state = this.stateText(running, results, block);
    if (state) children.push(' ', element('span', 'mm-muted', state));
    this.summary.replaceChildren(...children);
  }

  private stateText(running: boolean, results: readonly Block[], block: Block): string {
    if (results.some((result) => result.head['is_error'] === true)) return t('tool.failed');
    const last = results.at(-1);
    if (!last?.closed) return running ? t('tool.running') : '';
    const seconds = last.seconds ?? block.seconds;
    return seconds === null ? t('tool.done') : t('tool.done.timed', { time: duration(seconds) });
  }
}

/** A result that names no call of this turn. */
export class LoneResultView implements BlockView {
  readonly el: HTMLElement;
  private readonly result: ResultView;

  constructor(block: Block) {
    this.result = new ResultView(block);
    this.el = element('div', 'mm-tool', this.result.el);
  }

  update(block: Block): void {
    this.result.update(block);
  }

  step(): boolean {
    return false;
  }
}
