// Decides which page saves a turn that several pages of this browser show: the notebook would otherwise be changed on
// disk by one page behind the back of the other.

/** A page that did not start the turn waits this long, so that the page that did comes first. */
const PATIENCE_MS = 2_000;
/** Other pages can receive the end of the turn so much later than the page that saves it. */
const RELEASE_AFTER_MS = 5_000;

/**
 * Call `granted` once this page is the one that saves the turn, at the latest when the page that was it is closed. The
 * returned function gives this up: at once, or if the turn has ended, when the other pages know it too. Without the
 * browser's locks every page saves.
 */
export function lockTurn(
  id: string,
  isStartedHere: boolean,
  granted: () => void,
): (hasEnded: boolean) => void {
  const locks = (navigator as { locks?: LockManager }).locks;
  const ended = new AbortController();
  const released = new AbortController();
  const acquire = (): void => {
    if (ended.signal.aborted) return;
    if (!locks) {
      granted();
      return;
    }
    const hold = (): Promise<void> => {
      granted();
      return new Promise((release) => {
        released.signal.addEventListener('abort', () => {
          release();
        });
      });
    };
    locks.request(`mm_magics.turn.${id}`, { signal: ended.signal }, hold).catch(() => {
      // The turn ended first.
    });
  };
  if (isStartedHere) acquire();
  else setTimeout(acquire, PATIENCE_MS);
  return (hasEnded) => {
    ended.abort();
    if (hasEnded)
      setTimeout(() => {
        released.abort();
      }, RELEASE_AFTER_MS);
    else released.abort();
  };
}
