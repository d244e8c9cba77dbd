// Measures whether reading takes time linear in the size of what is read.
import { expect } from 'vitest';

/** How much larger the second size is. Quadratic time is `FACTOR` times as much as linear time. */
const FACTOR = 8;
const MAX_RATIO = 3;
/** In seconds. A shorter time is not compared. */
const SHORT = 0.03;

/** Return the processor time of this process while it reads: other processes can be busy. */
export function seconds(read: () => unknown): number {
  const before = process.cpuUsage();
  read();
  const { user, system } = process.cpuUsage(before);
  return (user + system) / 1e6;
}

/** Expect that `read` takes linear time. `make` returns what it reads, of a size. */
export function expectLinear<T>(
  make: (size: number) => T,
  size: number,
  read: (given: T) => unknown,
  name = 'reading',
): void {
  let ratio = Infinity;
  for (let attempt = 0; attempt < 3 && ratio > MAX_RATIO * FACTOR; attempt++) {
    const [small, again, large] = [make(size), make(size), make(size * FACTOR)];
    const times = [small, again].map((each) => seconds(() => read(each)));
    ratio = seconds(() => read(large)) / Math.max(SHORT, Math.min(...times));
  }
  expect(ratio, `${name}: the time for ${FACTOR} times the size`).toBeLessThan(MAX_RATIO * FACTOR);
}
