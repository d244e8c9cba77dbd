// Shows a tool call with its arguments and results, folded unless it requires approval or its result has images; and a
// result without its call.
// Arguments are shown as they stream and, once complete, as indented JSON.
import { ApprovalView, type Decide } from './approval-view';
import type { BlockView, BlockContext } from './block-view';
import { element, setText } from '../element';
import { GrowingText } from './growing-text';
import { resultImages } from './image-view';
import type { Block } from '../turn-state';
import { duration, t } from '../strings';
import { visible } from '../visible-characters';

const PREVIEW_LENGTH = 80;
/** The model calls this tool to give an answer that matches a schema. */
const FINAL_ANSWER_TOOL = 'final_answer';

function scrollBox(label: string): HTMLElement {
  const box = element('div', 'mm-plain mm-box');
  // A scrollable element must be reachable by keyboard.
  box.tabIndex = 0;
  box.setAttribute('role', 'group');
  box.setAttribute('aria-label', label);
  return box;
}

function labelled(label: string, box: HTMLElement): HTMLElement {
  return element('div', 'mm-part', element('div', 'mm-label', label), box);
}

/** Parse the complete arguments. Return null if they are not JSON. */
function parseArguments({ text, head }: Block): unknown {
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
  private hasImages = false;

  constructor(block: Block) {
    const failed = block.head['is_error'] === true;
    const label = t(failed ? 'tool.error' : 'tool.result');
    const box = scrollBox(label);
    this.text = new GrowingText(box);
    this.el = labelled(label, box);
    this.el.classList.toggle('mm-failed', failed);
  }

  /** Return whether images were added. */
  update(block: Block): boolean {
    this.text.update(block);
    const images = this.hasImages ? [] : resultImages(block);
    this.el.append(...images);
    this.hasImages ||= images.length > 0;
    return images.length > 0;
  }
}

export class ToolView implements BlockView {
  readonly el = element('details', 'mm-tool');
  private readonly name = element('code', 'mm-tool-name');
  private readonly preview = element('span', 'mm-preview');
  private readonly status = element('span', 'mm-muted');
  private readonly input: GrowingText;
  private readonly results = new Map<number, ResultView>();
  private complete = false;
  private approval: ApprovalView | null = null;

  constructor(
    block: Block,
    private readonly decide: Decide,
  ) {
    const label = t('tool.arguments');
    const box = scrollBox(label);
    this.input = new GrowingText(box);
    const summary = element('summary', 'mm-summary', `${t('tool.call')} `, this.name);
    summary.append(this.preview, this.status);
    this.el.append(summary, labelled(label, box));
    this.el.open = block.head['name'] === FINAL_ANSWER_TOOL;
  }

  update(block: Block, context: BlockContext): void {
    if (!this.complete) this.updateInput(block, context.complete);
    for (const result of context.results) {
      let view = this.results.get(result.key);
      if (!view) {
        view = new ResultView(result);
        this.results.set(result.key, view);
        this.el.append(view.el);
      }
      if (view.update(result)) this.el.open = true;
    }
    this.updateApproval(block, context);
    this.updateSummary(block, context);
  }

  step(): boolean {
    return false;
  }

  private updateInput(block: Block, complete: boolean): void {
    if (!complete) {
      this.input.update(block);
      return;
    }
    this.complete = true;
    const value = parseArguments(block);
    this.input.replace(value === null ? block.text : JSON.stringify(value, null, 2));
  }

  private updateApproval({ head }: Block, { call, running }: BlockContext): void {
    const id = head['id'];
    const needsApproval = running && (call?.state === 'asking' || call?.state === 'decided');
    if (!needsApproval || typeof id !== 'string') {
      this.approval?.el.remove();
      this.approval = null;
      return;
    }
    if (!this.approval) {
      // What is approved is what the kernel will run, not what was streamed.
      const approved = call.input ?? '';
      this.complete = true;
      this.input.replace(approved);
      this.approval = new ApprovalView(call, (decision) => {
        this.decide(id, approved, decision);
      });
      this.el.append(this.approval.el);
      this.el.open = true;
    }
    this.approval.setEnabled(call.state === 'asking');
  }

  private updateSummary(block: Block, context: BlockContext): void {
    const preview = context.complete ? previewOf(block) : '';
    const status = stateText(block, context);
    setText(this.name, text(block.head['name']));
    setText(this.preview, preview && ` ${preview}`);
    setText(this.status, status && ` ${status}`);
  }
}

function previewOf({ text: streamed, head }: Block): string {
  const input = streamed || (head['input'] === undefined ? '' : JSON.stringify(head['input']));
  const flat = visible(input.slice(0, PREVIEW_LENGTH * 2).replace(/\s+/g, ' '));
  return flat.length > PREVIEW_LENGTH ? `${flat.slice(0, PREVIEW_LENGTH)}…` : flat;
}

function stateText(block: Block, { running, results, call }: BlockContext): string {
  const last = results.at(-1);
  const failed = results.some((result) => result.head['is_error'] === true);
  // A call without a status is not running yet: another call may be waiting for approval.
  const state = call?.state ?? (failed ? 'failed' : last?.closed ? 'done' : null);
  if (state === null) return '';
  if (state === 'running') return running ? t('tool.running') : '';
  const seconds = call?.seconds ?? last?.seconds ?? block.seconds;
  if (state === 'done' && seconds !== null)
    return t('tool.done.timed', { time: duration(seconds) });
  return t(`tool.${state}`);
}

/** Shows a result whose call is not in this turn. */
export class OrphanResultView implements BlockView {
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
