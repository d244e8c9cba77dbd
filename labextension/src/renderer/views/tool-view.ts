// A tool call with its arguments and results, folded unless it asks; and a result whose call is not here.
// Arguments are shown as they come and, once complete, as indented JSON.
import { AskingView, type Decide } from './approval-view';
import type { BlockView, Surroundings } from './block-view';
import { element } from '../markdown/decorate-html';
import { GrowingText } from './growing-text';
import type { Block } from '../turn-state';
import { duration, t } from '../strings';
import { visible } from '../visible-characters';

const PREVIEW = 80;
/** The tool by which a model gives an answer of a wanted shape. */
const ANSWER = 'final_answer';

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
  private asking: AskingView | null = null;
  private shown = '';

  constructor(
    block: Block,
    private readonly decide: Decide,
  ) {
    const label = t('tool.arguments');
    const box = scrollBox(label);
    this.input = new GrowingText(box);
    this.el.append(this.summary, labelled(label, box));
    this.el.open = block.head['name'] === ANSWER;
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
    this.ask(block, around);
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

  private ask({ head }: Block, { call, running }: Surroundings): void {
    const id = head['id'];
    const asks = running && (call?.state === 'asking' || call?.state === 'decided');
    if (!asks || typeof id !== 'string') {
      this.asking?.el.remove();
      this.asking = null;
      return;
    }
    if (!this.asking) {
      this.asking = new AskingView(call, (decision) => {
        this.decide(id, decision);
      });
      this.el.append(this.asking.el);
      this.el.open = true;
    }
    this.asking.enable(call.state === 'asking');
  }

  private summarise(block: Block, around: Surroundings): void {
    const preview = around.over ? previewOf(block) : '';
    const state = stateText(block, around);
    const content = JSON.stringify([block.head['name'], preview, state]);
    if (content === this.shown) return;
    this.shown = content;
    const name = element('code', 'mm-tool-name', text(block.head['name']));
    const children: (Node | string)[] = [`${t('tool.call')} `, name];
    if (preview) children.push(' ', element('span', 'mm-preview', preview));
    if (state) children.push(' ', element('span', 'mm-muted', state));
    this.summary.replaceChildren(...children);
  }
}

function previewOf({ text: streamed, head }: Block): string {
  const input = streamed || (head['input'] === undefined ? '' : JSON.stringify(head['input']));
  const flat = visible(input.slice(0, PREVIEW * 2).replace(/\s+/g, ' '));
  return flat.length > PREVIEW ? `${flat.slice(0, PREVIEW)}…` : flat;
}

function stateText(block: Block, { running, results, call }: Surroundings): string {
  const last = results.at(-1);
  const failed = results.some((result) => result.head['is_error'] === true);
  // Nothing runs until the kernel says so: it may still ask about another call.
  const state = call?.state ?? (failed ? 'failed' : last?.closed ? 'done' : null);
  if (state === null) return '';
  if (state === 'running') return running ? t('tool.running') : '';
  const seconds = call?.seconds ?? last?.seconds ?? block.seconds;
  if (state === 'done' && seconds !== null)
    return t('tool.done.timed', { time: duration(seconds) });
  return t(`tool.${state}`);
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
