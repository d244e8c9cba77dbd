// One turn on the page: draws newer and newer states of it, touching only what has changed.
// It never scrolls or takes the focus, announces only the boundaries, and works at most a slice per frame.
import type { BlockView } from './views/block-view';
import { element, serveButtons } from './markdown/decorate-html';
import { Footer } from './views/footer';
import { Header } from './views/header';
import { RedactedView, UnknownView } from './views/placeholder-views';
import { FrameLoop, type Deadline } from './frame-loop';
import { EMPTY, isRunning, standing, type Block, type TurnState } from './turn-state';
import { t } from './strings';
import { injectStyle } from './inject-style';
import { TextView } from './views/text-view';
import { ThinkingView } from './views/thinking-view';
import type { Decide } from './views/approval-view';
import { LoneResultView, ToolView } from './views/tool-view';
import { visible } from './visible-characters';

export interface TurnViewOptions {
  /** When the turn began, as a `performance.now()`. */
  readonly startedAt?: number;
  readonly onStop?: () => void;
  readonly onDecide?: Decide;
}

export class TurnView {
  readonly el = element('div', 'mm-turn');
  private readonly header: Header;
  private readonly body = element('div', 'mm-body');
  private readonly footer = new Footer();
  private readonly announcer = element('div', 'mm-hidden');
  private readonly views = new Map<number, BlockView>();
  private readonly wantedImages = new Set<string>();
  private readonly loop = new FrameLoop((deadline) => this.draw(deadline));
  private state: TurnState = EMPTY;
  private drawn: TurnState | null = null;
  private announced: string | null = null;

  private readonly onDecide: Decide;

  constructor(root: HTMLElement, options: TurnViewOptions = {}) {
    this.onDecide = options.onDecide ?? (() => {});
    this.header = new Header(options.startedAt ?? performance.now(), options.onStop ?? (() => {}));
    this.el.setAttribute('role', 'group');
    this.el.setAttribute('aria-label', t('turn.label'));
    this.announcer.setAttribute('role', 'status');
    this.el.append(this.header.el, this.body, this.footer.el, this.announcer);
    serveButtons(this.el, this.wantedImages);
    root.append(this.el);
    injectStyle(this.el);
    this.loop.request();
  }

  /** Show `state`, in the next frame. */
  update(state: TurnState): void {
    this.state = state;
    this.loop.request();
  }

  /** Show everything now. */
  flush(): void {
    this.loop.flush();
  }

  dispose(): void {
    this.loop.cancel();
    this.header.dispose();
    this.el.remove();
  }

  private draw(deadline: Deadline): boolean {
    if (this.state !== this.drawn) {
      this.header.update(this.state.fields);
      this.footer.update(this.state.fields);
      this.drawBlocks(this.state);
      this.announce(this.state);
      this.drawn = this.state;
    }
    let more = false;
    for (const view of this.views.values()) {
      // In order: what stands first is complete first.
      if (!more && view.step(deadline)) more = true;
    }
    return more;
  }

  private drawBlocks({ blocks, fields, calls: standing }: TurnState): void {
    const running = isRunning(fields.status);
    const calls = new Set(blocks.map((block) => callId(block)).filter((id) => id !== null));
    const results = groupResults(blocks, calls);
    blocks.forEach((block, index) => {
      if (isNested(block, calls)) return;
      this.viewOf(block).update(block, {
        over: block.closed || !running,
        passed: index < blocks.length - 1,
        running,
        results: results.get(callId(block) ?? '') ?? [],
        call: standing.get(callId(block) ?? ''),
      });
    });
  }

  private viewOf(block: Block): BlockView {
    const known = this.views.get(block.key);
    if (known) return known;
    const made = this.newView(block);
    this.views.set(block.key, made);
    this.body.append(made.el);
    return made;
  }

  private newView(block: Block): BlockView {
    switch (block.head.type) {
      case 'text':
        return new TextView(this.wantedImages);
      case 'thinking':
        return new ThinkingView();
      case 'redacted_thinking':
        return new RedactedView();
      case 'tool_use':
        return new ToolView(block, this.onDecide);
      case 'tool_result':
        return new LoneResultView(block);
      default:
        return new UnknownView(block);
    }
  }

  /** Tell assistive tools about a boundary; not about what was over before this view was there. */
  private announce({ fields, calls }: TurnState): void {
    const { status, error } = fields;
    const asks = [...calls.values()].some(({ state }) => state === 'asking');
    const text =
      status === 'failed' && error
        ? t('announce.failed', { error: visible(error) })
        : isRunning(status) && asks
          ? t('announce.asking')
          : status === 'waiting' || status === 'thinking'
            ? ''
            : t(`status.${standing(fields)}`);
    const first = this.announced === null;
    if (text === this.announced) return;
    this.announced = text;
    if (text && !(first && !isRunning(status))) this.announcer.textContent = text;
  }
}

function callId({ head }: Block): string | null {
  return head.type === 'tool_use' && typeof head['id'] === 'string' ? head['id'] : null;
}

function resultOf({ head }: Block): string | null {
  const id = head['tool_use_id'];
  return head.type === 'tool_result' && typeof id === 'string' ? id : null;
}

function isNested(block: Block, calls: ReadonlySet<string>): boolean {
  const id = resultOf(block);
  return id !== null && calls.has(id);
}

/** The results of each call of this turn. */
function groupResults(
  blocks: readonly Block[],
  calls: ReadonlySet<string>,
): ReadonlyMap<string, readonly Block[]> {
  const grouped = new Map<string, Block[]>();
  for (const block of blocks) {
    const id = resultOf(block);
    if (id === null || !calls.has(id)) continue;
    grouped.set(id, [...(grouped.get(id) ?? []), block]);
  }
  return grouped;
}
