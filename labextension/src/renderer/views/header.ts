// The header of a turn: model, status, marks, time, speed, Stop, and the controls that the host adds.
// The clock runs on the page while the turn runs; the kernel sends no updates for it.
import type { Mark } from '../../protocol';
import { element, setText } from '../element';
import { isRunning, displayedStatus, type TurnFields } from '../turn-state';
import { duration, t } from '../strings';
import { visible } from '../visible-characters';
import { WaitText } from './wait-text';

const TICK_MS = 200;
const MARKS: readonly Mark[] = ['removed', 'stale', 'edited', 'replayed', 'pinned'];

/** Names the control of a header, so that the same control can be focused after the turn is drawn again. */
export const CONTROL = 'mmControl';

/** A control for a turn that has ended, which the host adds to the header. */
export interface HeaderControl {
  readonly el: HTMLElement;
  readonly update?: (fields: TurnFields) => void;
}

export interface HeaderActions {
  readonly onStop?: () => void;
  readonly controls?: readonly HeaderControl[];
  /** A mark was pressed. Without it, marks cannot be pressed. */
  readonly onMark?: (mark: Mark) => void;
}

export class Header {
  readonly el = element('div', 'mm-header');
  private readonly model = element('span', 'mm-model');
  private readonly status = element('span', 'mm-status');
  private readonly marks = element('span', 'mm-marks');
  private readonly time = element('span', 'mm-time');
  private readonly speed = element('span', 'mm-speed');
  private readonly stop = element('button', 'mm-button mm-stop', t('stop'));
  private readonly controls: readonly HeaderControl[];
  private readonly onMark: HeaderActions['onMark'];
  private readonly actions = element('span', 'mm-actions');
  private timer: ReturnType<typeof setInterval> | null = null;
  private shownMarks = '';
  private statusText = '';
  private mayWait = false;
  private readonly wait: WaitText;
  /** Seconds on the clock at the last tick, shown at the end if the kernel sends no duration. */
  private elapsed = 0;

  /** `startedAt` is a `performance.now()`. */
  constructor(
    private readonly startedAt: number,
    { onStop, controls = [], onMark }: HeaderActions,
  ) {
    this.stop.type = 'button';
    this.stop.setAttribute('aria-label', t('stop.label'));
    this.stop.addEventListener('click', () => onStop?.());
    this.controls = controls;
    this.wait = new WaitText(startedAt);
    this.onMark = onMark;
    this.actions.append(...controls.map(({ el }) => el));
    this.el.append(this.model, this.status, this.marks, this.time, this.speed, this.stop);
    if (controls.length > 0) this.el.append(this.actions);
  }

  update(fields: TurnFields, needsApproval = false): void {
    const running = isRunning(fields.status);
    const shown = needsApproval ? 'asking' : displayedStatus(fields);
    this.el.dataset['status'] = shown;
    setText(this.model, typeof fields.model === 'string' ? visible(fields.model) : '');
    const silent = running && fields.silent === true;
    const gone = shown === 'stopped' && fields.gone === true;
    this.statusText = t(`status.${silent ? 'silent' : gone ? 'gone' : shown}`);
    this.wait.update(fields);
    // Silence of the kernel, or a question, is what the user must know first.
    this.mayWait = !silent && !needsApproval;
    this.updateStatus();
    this.status.title = silent ? t('status.silent.why') : '';
    this.updateMarks(fields.marks);
    const rate = fields.tokens_per_s;
    setText(
      this.speed,
      !running && typeof rate === 'number'
        ? t('speed', { rate: rate.toFixed(rate < 10 ? 1 : 0) })
        : '',
    );
    const first = fields.first_token_s;
    this.time.title = typeof first === 'number' ? t('first-token', { time: duration(first) }) : '';
    this.actions.hidden = running;
    if (!running) for (const control of this.controls) control.update?.(fields);
    this.updateStop(running, fields.stopping === true);
    this.updateClock(running, fields.seconds);
  }

  dispose(): void {
    if (this.timer !== null) clearInterval(this.timer);
    this.timer = null;
  }

  private updateStatus(): void {
    setText(this.status, (this.mayWait && this.wait.text()) || this.statusText);
  }

  private updateMarks(given: unknown): void {
    const marks = MARKS.filter((mark) => Array.isArray(given) && given.includes(mark));
    if (marks.join() === this.shownMarks) return;
    this.shownMarks = marks.join();
    const shown = marks.map((mark) => {
      const { onMark } = this;
      const el = element(onMark ? 'button' : 'span', `mm-mark mm-${mark}`, t(`mark.${mark}`));
      if (onMark)
        el.addEventListener('click', () => {
          onMark(mark);
        });
      el.title = t(`mark.${mark}.why`);
      return el;
    });
    this.marks.replaceChildren(...shown);
  }

  private updateStop(running: boolean, stopping: boolean): void {
    if (!running) {
      this.stop.remove();
      return;
    }
    this.stop.disabled = stopping;
    setText(this.stop, t(stopping ? 'stop.pressed' : 'stop'));
    this.stop.setAttribute('aria-label', t(stopping ? 'stop.pressed' : 'stop.label'));
    if (!this.stop.parentNode) this.speed.after(this.stop);
  }

  private updateClock(running: boolean, seconds: unknown): void {
    if (running) {
      this.timer ??= setInterval(() => {
        this.tick();
      }, TICK_MS);
      this.tick();
      return;
    }
    if (this.timer !== null) this.tick();
    this.dispose();
    const total = typeof seconds === 'number' ? seconds : this.elapsed;
    setText(this.time, total > 0 ? duration(total) : '');
  }

  private tick(): void {
    this.elapsed = (performance.now() - this.startedAt) / 1000;
    setText(this.time, duration(this.elapsed));
    this.updateStatus();
  }
}
