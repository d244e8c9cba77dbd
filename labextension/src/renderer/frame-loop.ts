// Schedules work on the DOM: each view gets a few milliseconds per frame.
// A deadline of Infinity means to do all work now, as tests and saved turns do.

export type Deadline = number;

/** Milliseconds of work per frame. The rest of the frame belongs to the browser. */
const BUDGET_MS = 4;

/** Runs `work` once per frame, as long as it returns true or `request` is called again. */
export class FrameLoop {
  private handle: number | null = null;

  constructor(private readonly work: (deadline: Deadline) => boolean) {}

  request(): void {
    this.handle ??= requestAnimationFrame(() => {
      this.handle = null;
      if (this.work(performance.now() + BUDGET_MS)) this.request();
    });
  }

  /** Do all remaining work now. */
  flush(): void {
    this.cancel();
    while (this.work(Infinity));
  }

  cancel(): void {
    if (this.handle !== null) cancelAnimationFrame(this.handle);
    this.handle = null;
  }
}
