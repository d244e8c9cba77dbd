// Shows a tool call with its arguments and results, folded unless it requires approval or its result has images; and a
// result without its call.
// Arguments are shown as they stream and, once complete, as the text of the call: code as code, the rest as JSON. What the
// kernel asks the user about replaces them.
import { ApprovalView, type Decide } from './approval-view';
import type { BlockView, BlockContext } from './block-view';
import { CallView, labelled, scrollBox } from './call-view';
import { callParts } from '../call-text';
import { element, setText } from '../element';
import { GrowingText } from './growing-text';
import { resultImages } from './image-view';
import type { CallStatus, ShownPart } from '../../protocol';
import type { Block } from '../turn-state';
import { duration, t } from '../strings';
import { visible } from '../visible-characters';

const PREVIEW_LENGTH = 80;
/** The model calls this tool to give an answer that matches a schema. */
const FINAL_ANSWER_TOOL = 'final_answer';

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
    for (const image of images) this.el.append(image);
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
  /** The arguments: as they stream, then the text of the call. */
  private shown: HTMLElement;
  private parts: readonly ShownPart[] | null = null;
  private readonly results = new Map<number, ResultView>();
  private approval: ApprovalView | null = null;
  private question = '';

  constructor(
    block: Block,
    private readonly decide: Decide,
  ) {
    const label = t('tool.arguments');
    const box = scrollBox(label);
    this.input = new GrowingText(box);
    this.shown = labelled(label, box);
    const summary = element('summary', 'mm-summary', `${t('tool.call')} `, this.name);
    summary.append(this.preview, this.status);
    this.el.append(summary, this.shown);
    this.el.open = block.head['name'] === FINAL_ANSWER_TOOL;
  }

  update(block: Block, context: BlockContext): void {
    this.updateInput(block, context);
    for (const result of context.results) {
      let view = this.results.get(result.key);
      if (!view) {
        view = new ResultView(result);
        this.results.set(result.key, view);
        this.el.append(view.el);
      }
      if (view.update(result)) this.el.open = true;
    }
    this.updateApproval(context);
    this.updateSummary(block, context);
  }

  step(): boolean {
    return false;
  }

  private updateInput(block: Block, { call, complete }: BlockContext): void {
    const described = call?.question?.parts;
    if (this.parts && !described) return;
    const parts = described ?? (complete && !isCut(block) ? partsOf(block) : null);
    if (!parts) {
      this.input.update(block);
      return;
    }
    this.show(parts);
  }

  private show(parts: readonly ShownPart[]): void {
    if (parts === this.parts) return;
    this.parts = parts;
    const view = new CallView(parts).el;
    this.shown.replaceWith(view);
    this.shown = view;
  }

  private updateApproval({ call, running }: BlockContext): void {
    const question = call?.question;
    const needsApproval =
      question !== undefined && running && (call?.state === 'asking' || call?.state === 'decided');
    if (!needsApproval || question.id !== this.question) {
      this.approval?.dispose();
      this.approval = null;
    }
    this.shown.hidden = needsApproval;
    if (!needsApproval) return;
    if (!this.approval) {
      // What is shown and approved is what the kernel will run, not what was streamed.
      this.show(question.parts);
      this.shown.hidden = true;
      this.question = question.id;
      this.approval = new ApprovalView(question, (decision) => {
        this.decide(question, decision);
      });
      this.el.append(this.approval.el);
      this.el.open = true;
    }
    this.approval.setEnabled(call.state === 'asking');
  }

  private updateSummary(block: Block, context: BlockContext): void {
    const preview = this.parts ? previewOf(this.parts) : '';
    const state = stateOf(context);
    const status = stateText(state, block, context);
    this.el.classList.toggle('mm-call-failed', state === 'failed');
    setText(this.name, context.call?.question?.name ?? text(block.head['name']));
    setText(this.preview, preview && ` ${preview}`);
    setText(this.status, status && ` ${status}`);
  }
}

/** Return the text of a complete call. The kernel's input counts, and what was streamed only without it. */
function partsOf({ head, text: streamed, exact }: Block): ShownPart[] | null {
  if (head['input'] !== undefined || streamed === '')
    return callParts(head['name'], head['input'] ?? {}, exact);
  return callParts(head['name'], {}, `{"input": ${streamed}}`);
}

/** Return whether only a part of the arguments was received. */
function isCut({ head, text: streamed }: Block): boolean {
  if (streamed === '' || Object.keys(head['input'] ?? {}).length > 0) return false;
  try {
    JSON.parse(streamed);
    return false;
  } catch {
    return true;
  }
}

function previewOf(parts: readonly ShownPart[]): string {
  const all = parts.map(({ text: shown, language }) => {
    const start = shown.slice(0, PREVIEW_LENGTH * 2);
    return language === 'json' ? start.replace(/\n */g, '') : start;
  });
  const flat = all.join(' ').replace(/\s+/g, ' ');
  return flat.length > PREVIEW_LENGTH ? `${flat.slice(0, PREVIEW_LENGTH)}…` : flat;
}

/** Return the state of a call. One without a state is not running yet: another call may be waiting for approval. */
function stateOf({ results, call }: BlockContext): CallStatus | null {
  const failed = results.some((result) => result.head['is_error'] === true);
  return call?.state ?? (failed ? 'failed' : results.at(-1)?.closed ? 'done' : null);
}

function stateText(
  state: CallStatus | null,
  block: Block,
  { running, results, call }: BlockContext,
): string {
  const last = results.at(-1);
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
