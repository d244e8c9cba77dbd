// Draws one turn on the page. Each new state changes only the DOM nodes that differ.
// It never scrolls or takes the focus. It tells assistive tools only when the status changes, and it limits its work per
// frame.
import type { BlockView } from './views/block-view';
import { element } from './element';
import { handleButtons } from './markdown/decorate-html';
import { onTypesetting, untypeset } from './markdown/typeset';
import { Footer } from './views/footer';
import { Header, type HeaderActions, type HeaderControl } from './views/header';
import { RedactedView, UnknownView } from './views/placeholder-views';
import { FrameLoop, type Deadline } from './frame-loop';
import {
  answeredCalls,
  EMPTY,
  isRunning,
  displayedStatus,
  overallFields,
  type Block,
  type TurnState,
} from './turn-state';
import { t } from './strings';
import { injectStyle } from './inject-style';
import { ImageView } from './views/image-view';
import { TextView } from './views/text-view';
import { SUMMARY, ThinkingView } from './views/thinking-view';
import type { Decide } from './views/approval-view';
import { OrphanResultView, ToolView } from './views/tool-view';
import { visible } from './visible-characters';

export interface TurnViewOptions extends HeaderActions {
  /** When the turn started, as a value of `performance.now()`. */
  readonly startedAt?: number;
  readonly onDecide?: Decide;
  /** Return the controls of one of several answers. */
  readonly partControls?: () => readonly HeaderControl[];
}

export class TurnView {
  readonly el = element('div', 'mm-turn');
  private readonly header: Header;
  readonly body = element('div', 'mm-body');
  private readonly footer = new Footer();
  private readonly announcer = element('div', 'mm-hidden');
  private readonly views = new Map<number, BlockView>();
  private readonly parts: TurnView[] = [];
  private readonly requestedImages: Set<string>;
  private readonly loop = new FrameLoop((deadline) => this.draw(deadline));
  private state: TurnState = EMPTY;
  private drawn: TurnState | null = null;
  private announced: string | null = null;
  /** What was drawn before code and formulas could be typeset, the last one first. */
  private untypeset: (() => void)[] = [];
  private readonly ignoreTypesetting = onTypesetting(() => {
    if (this.parts.length === 0) this.untypeset = untypeset(this.el).reverse();
    this.loop.request();
  });

  private readonly onDecide: Decide;

  /** `whole` is the view of the turn if this one shows one of its answers. */
  constructor(
    root: HTMLElement,
    private readonly options: TurnViewOptions = {},
    private readonly whole: TurnView | null = null,
  ) {
    this.requestedImages = whole?.requestedImages ?? new Set();
    this.onDecide = options.onDecide ?? (() => {});
    this.header = new Header(options.startedAt ?? performance.now(), options);
    this.el.setAttribute('role', 'group');
    this.el.setAttribute('aria-label', t('turn.label'));
    this.announcer.setAttribute('role', 'status');
    this.el.append(this.header.el, this.body, this.footer.el, this.announcer);
    if (!whole) handleButtons(this.el, this.requestedImages);
    root.append(this.el);
    injectStyle(this.el);
    this.loop.request();
  }

  /** Show `state`, in the next frame. */
  update(state: TurnState): void {
    this.state = state;
    this.loop.request();
  }

  /** Show the turn in another place, with what the reader has opened or selected. */
  moveTo(root: HTMLElement): void {
    const selection = getSelection();
    const { anchorNode, anchorOffset, focusNode, focusOffset } = selection ?? {};
    root.append(this.el);
    if (
      selection &&
      anchorNode &&
      focusNode &&
      this.el.contains(anchorNode) &&
      this.el.contains(focusNode)
    )
      selection.setBaseAndExtent(anchorNode, anchorOffset ?? 0, focusNode, focusOffset ?? 0);
  }

  /** Show everything now. */
  flush(): void {
    this.loop.flush();
    for (const part of this.parts) part.flush();
  }

  dispose(): void {
    this.ignoreTypesetting();
    this.loop.cancel();
    for (const part of this.parts) part.dispose();
    this.header.dispose();
    this.el.remove();
  }

  private draw(deadline: Deadline): boolean {
    if (this.state !== this.drawn) {
      const hasParts = this.state.parts.length > 0;
      const fields = hasParts ? overallFields(this.state) : this.state.fields;
      this.header.update(fields, needsApproval(this.state));
      this.footer.update(fields);
      this.drawBlocks(this.state);
      if (hasParts) this.drawParts(this.state);
      if (!this.whole) this.announce({ ...this.state, fields });
      this.drawn = this.state;
    }
    let more = false;
    for (const view of this.views.values()) {
      // In order, so the first blocks are complete first.
      if (!more && view.step(deadline)) more = true;
    }
    while (!more && this.untypeset.length > 0) {
      this.untypeset.pop()?.();
      more = performance.now() > deadline;
    }
    return more;
  }

  private drawBlocks({ blocks, fields, calls }: TurnState): void {
    const running = isRunning(fields.status);
    const answered = answeredCalls(blocks);
    const results = new Map<number, Block[]>();
    for (const [result, key] of answered) {
      const others = results.get(key);
      if (others) others.push(result);
      else results.set(key, [result]);
    }
    blocks.forEach((block, index) => {
      if (answered.has(block)) return;
      this.viewOf(block).update(block, {
        complete: block.closed || !running,
        followed: index < blocks.length - 1,
        running,
        results: results.get(block.key) ?? [],
        call: calls.get(block.key),
      });
    });
  }

  /** Draw several answers side by side. */
  private drawParts({ parts, fields }: TurnState): void {
    this.body.classList.add('mm-answers');
    for (const [index, part] of parts.entries()) {
      const { startedAt, partControls } = this.options;
      const view = (this.parts[index] ??= new TurnView(
        this.body,
        { ...(startedAt === undefined ? {} : { startedAt }), controls: partControls?.() ?? [] },
        this,
      ));
      const isCut = isRunning(part.fields.status) && !isRunning(fields.status);
      const ended = { ...part, fields: { ...part.fields, status: fields.status } };
      view.el.setAttribute('aria-label', visible(part.fields.model ?? ''));
      view.update(isCut ? ended : part);
    }
  }

  private viewOf(block: Block): BlockView {
    const existing = this.views.get(block.key);
    if (existing) return existing;
    const view = this.newView(block);
    this.views.set(block.key, view);
    this.body.append(view.el);
    return view;
  }

  private newView(block: Block): BlockView {
    switch (block.head.type) {
      case 'image':
        return new ImageView(block);
      case 'text':
        return new TextView(this.requestedImages);
      case 'thinking':
      case SUMMARY:
        return new ThinkingView();
      case 'redacted_thinking':
        return new RedactedView();
      case 'tool_use':
        return new ToolView(block, this.onDecide);
      case 'tool_result':
        return new OrphanResultView(block);
      default:
        return new UnknownView(block);
    }
  }

  /** Tell assistive tools when the status changes, but not about a turn that had ended before it was drawn. */
  private announce(state: TurnState): void {
    const { fields } = state;
    const { status, error } = fields;
    const text =
      status === 'failed' && error
        ? t('announce.failed', { error: visible(error) })
        : needsApproval(state)
          ? t('announce.asking')
          : status === 'waiting' || status === 'thinking'
            ? ''
            : t(`status.${displayedStatus(fields)}`);
    const first = this.announced === null;
    if (text === this.announced) return;
    this.announced = text;
    if (text && !(first && !isRunning(status))) this.announcer.textContent = text;
  }
}

/** Return whether the turn waits for the user. */
function needsApproval({ fields, calls }: TurnState): boolean {
  return isRunning(fields.status) && [...calls.values()].some(({ state }) => state === 'asking');
}
