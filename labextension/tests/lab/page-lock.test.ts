// Which page saves a turn, with locks that behave as the browser's: one holder for each name, the others wait.
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { lockTurn } from '../../src/lab/page-lock';

type Hold = () => Promise<void>;
type Waiting = { hold: Hold; signal: AbortSignal };

class Locks {
  private readonly waiting = new Map<string, Waiting[]>();
  private readonly held = new Set<string>();

  async request(name: string, { signal }: { signal: AbortSignal }, hold: Hold): Promise<void> {
    this.waiting.set(name, [...(this.waiting.get(name) ?? []), { hold, signal }]);
    await this.next(name);
  }

  private async next(name: string): Promise<void> {
    if (this.held.has(name)) return;
    const next = this.waiting.get(name)?.shift();
    if (!next) return;
    if (!next.signal.aborted) {
      this.held.add(name);
      await next.hold();
      this.held.delete(name);
    }
    await this.next(name);
  }
}

beforeEach(() => {
  vi.useFakeTimers();
  vi.stubGlobal('navigator', { locks: new Locks() });
});

afterEach(() => {
  vi.useRealTimers();
  vi.unstubAllGlobals();
});

const pass = (ms: number) => vi.advanceTimersByTimeAsync(ms);

it('is the page that started the turn, although another one asked first', async () => {
  const granted: string[] = [];
  lockTurn('a', false, () => granted.push('second'));
  await pass(500);
  lockTurn('a', true, () => granted.push('first'));
  await pass(60_000);
  expect(granted).toEqual(['first']);
});

it('is another page as soon as this one is closed', async () => {
  const granted: string[] = [];
  const unlock = lockTurn('a', true, () => granted.push('first'));
  lockTurn('a', false, () => granted.push('second'));
  await pass(3_000);
  unlock(false);
  await pass(0);
  expect(granted).toEqual(['first', 'second']);
});

it.each([0, 1, 1_000, 4_000])(
  'is not another page if that one hears %d ms later that the turn has ended',
  async (ms) => {
    const granted: string[] = [];
    const unlock = lockTurn('a', true, () => granted.push('first'));
    const unlockSecond = lockTurn('a', false, () => granted.push('second'));
    await pass(3_000);
    unlock(true);
    await pass(ms);
    unlockSecond(true);
    await pass(60_000);
    expect(granted).toEqual(['first']);
  },
);

it('is every page without the locks of the browser', async () => {
  vi.stubGlobal('navigator', {});
  const granted: string[] = [];
  lockTurn('a', true, () => granted.push('first'));
  lockTurn('a', false, () => granted.push('second'));
  await pass(3_000);
  expect(granted).toEqual(['first', 'second']);
});
