// The header of a turn: model, status, marks, time, speed, versions, Stop, and the button of a menu.
// The clock runs on the page while the turn runs; the kernel sends no updates for it.
import { element, setText } from '../element';
import { isRunning, displayedStatus, type TurnFields } from '../turn-state';
import { duration, t } from '../strings';
import { visible } from '../visible-characters';
import { VersionSwitch } from './version-switch';

const TICK_MS = 200;
const MARKS = ['removed', 'stale', 'edited', 'replayed'] as const;

/** What the buttons of the header do. A button without an action is not shown. */
export interface HeaderActions {
  readonly onStop?: () => void;
  /** Show another version. */
  readonly onVersion?: (number: number) => void;
  /** Open the menu of the turn, next to this button. */
  readonly onMenu?: (button: HTMLElement) => void;
}

export class Header {
  readonly el = element('div', 'mm-header');
  private readonly model = element('span', 'mm-model');
  private readonly status = element('span', 'mm-status');
  private readonly marks = element('span', 'mm-marks');
  private readonly time = element('span', 'mm-time');
  private readonly speed = element('span', 'mm-speed');
  private readonly stop = element('button', 'mm-button mm-stop', t('stop'));
  private readonly versions: VersionSwitch | null = null;
  private readonly menu: HTMLButtonElement | null = null;
  private timer: ReturnType<typeof setInterval> | null = null;
  private shownMarks = '';
  /** Seconds on the clock at the last tick, shown at the end if the kernel sends no duration. */
  private elapsed = 0;

  /** `startedAt` is a `performance.now()`. */
  constructor(
    private readonly startedAt: number,
    { onStop, onVersion, onMenu }: HeaderActions,
  ) {
    this.stop.type = 'button';
    this.stop.setAttribute('aria-label', t('stop.label'));
    this.stop.addEventListener('click', () => onStop?.());
    this.el.append(this.model, this.status, this.marks, this.time, this.speed, this.stop);
    if (onVersion) {
      this.versions = new VersionSwitch(onVersion);
      this.stop.before(this.versions.el);
    }
    if (onMenu) {
      const menu = element('button', 'mm-icon-button mm-menu', '⋯');
      menu.type = 'button';
      menu.setAttribute('aria-label', t('menu.label'));
      menu.setAttribute('aria-haspopup', 'menu');
      menu.title = t('menu.label');
      menu.addEventListener('click', () => {
        onMenu(menu);
      });
      this.menu = menu;
      this.el.append(menu);
    }
  }

  update(fields: TurnFields, needsApproval = false): void {
    const running = isRunning(fields.status);
    const shown = needsApproval ? 'asking' : displayedStatus(fields);
    this.el.dataset['status'] = shown;
    setText(this.model, typeof fields.model === 'string' ? visible(fields.model) : '');
    const silent = running && fields.silent === true;
    const gone = shown === 'stopped' && fields.gone === true;
    setText(this.status, t(`status.${silent ? 'silent' : gone ? 'gone' : shown}`));
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
    this.versions?.update(running ? 1 : fields.version, running ? 1 : fields.versions);
    if (this.menu) this.menu.hidden = running;
    this.updateStop(running, fields.stopping === true);
    this.updateClock(running, fields.seconds);
  }

  dispose(): void {
    if (this.timer !== null) clearInterval(this.timer);
    this.timer = null;
  }

  private updateMarks(given: unknown): void {
    const marks = MARKS.filter((mark) => Array.isArray(given) && given.includes(mark));
    if (marks.join() === this.shownMarks) return;
    this.shownMarks = marks.join();
    const shown = marks.map((mark) => {
      const el = element('span', `mm-mark mm-${mark}`, t(`mark.${mark}`));
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
  }
}
