// When work on the DOM happens: at most one frame's worth at a time, per view.
// A deadline of Infinity means: do all of it now (tests, a static page).

export type Deadline = number;

/** Milliseconds of work per frame; the rest of the frame is the browser's. */
const BUDGET = 4;

/** Runs `work` once a frame for as long as it returns true or `request` is called again. */
export class FrameLoop {
  private handle: number | null = null;

  constructor(private readonly work: (deadline: Deadline) => boolean) {}

  request(): void {
    this.handle ??= requestAnimationFrame(() => {
      this.handle = null;
      if (this.work(performance.now() + BUDGET)) this.request();
    });
  }

  /** Do everything that is left, at once. */
  flush(): void {
    this.cancel();
    while (this.work(Infinity));
  }

  cancel(): void {
    if (this.handle !== null) cancelAnimationFrame(this.handle);
    this.handle = null;
  }
}
