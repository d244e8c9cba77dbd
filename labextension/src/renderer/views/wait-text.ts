// Says what a running turn waits for: rows of a map run, the next attempt, or data from an endpoint that sends none.
import { isRecord, isRunning, type TurnFields } from '../turn-state';
import { countdown, t } from '../strings';

/** A silence of the endpoint is shown after this many seconds. */
export const QUIET_S = 10;

export class WaitText {
  private shown: TurnFields | null = null;
  /** When something was received, and when the request is sent again, as values of `performance.now()`. */
  private heardAt: number;
  private retryAt = -Infinity;

  constructor(startedAt: number) {
    this.heardAt = startedAt;
  }

  /** The turn has changed because the kernel sent something, or because of something on this page. */
  update(fields: TurnFields): void {
    const { shown } = this;
    this.shown = fields;
    const now = performance.now();
    if (shown?.silent === fields.silent && shown?.stopping === fields.stopping) this.heardAt = now;
    if (fields.retry === shown?.retry) return;
    const seconds = isRecord(fields.retry) ? fields.retry.seconds : NaN;
    this.retryAt = now + (seconds >= 0 ? seconds * 1000 : 0);
  }

  /** Return the text, or '' if the turn does not wait for anything that must be explained. */
  text(): string {
    const { shown } = this;
    if (!shown || !isRunning(shown.status)) return '';
    const now = performance.now();
    if (isRecord(shown.rows)) {
      const { rows, done, failed } = shown.rows;
      const counts = { rows: count(rows), done: count(done), failed: count(failed) };
      return t('status.rows', counts);
    }
    if (now < this.retryAt && shown.retry) {
      const { attempt, of } = shown.retry;
      return t('status.retry', { time: countdown((this.retryAt - now) / 1000), attempt, of });
    }
    const quiet = Math.floor((now - Math.max(this.heardAt, this.retryAt)) / 1000);
    if (typeof shown.timeout !== 'number' || quiet < QUIET_S) return '';
    const left = countdown(shown.timeout - quiet);
    return t('status.quiet', { quiet: countdown(quiet), left });
  }
}

function count(value: number): string {
  return new Intl.NumberFormat('en').format(value);
}
