// Notices that a kernel has not sent anything for a while, although it sends a message every half second.

const TICK_MS = 250;
/** The kernel sends a sign of life every 500 ms. */
export const SILENT_AFTER_MS = 1_500;

export class SignOfLife {
  private timer: ReturnType<typeof setInterval> | null = null;
  private ticks = 0;

  /** `onChange` is called when the kernel falls silent, and when it is heard again or not expected any more. */
  constructor(private readonly onChange: (silent: boolean) => void) {}

  get silent(): boolean {
    return this.ticks * TICK_MS >= SILENT_AFTER_MS;
  }

  /** Something was received. */
  seen(): void {
    const wasSilent = this.silent;
    this.ticks = 0;
    // Ticks are counted, not time: messages wait while the page itself is busy or asleep.
    this.timer ??= setInterval(() => {
      this.ticks++;
      if (this.ticks * TICK_MS === SILENT_AFTER_MS) this.onChange(true);
    }, TICK_MS);
    if (wasSilent) this.onChange(false);
  }

  /** Nothing more is expected. */
  end(): void {
    const wasSilent = this.silent;
    if (this.timer !== null) clearInterval(this.timer);
    this.timer = null;
    this.ticks = 0;
    if (wasSilent) this.onChange(false);
  }
}
