// What the header of a running turn says while it waits.
import { describe, expect, it, vi } from 'vitest';
import { showTurn } from './turn-fixture';

const turn = showTurn('waiting', 'MiniMax-M2.7');
const { apply } = turn;
const status = (): string => turn.el.querySelector('.mm-status')!.textContent;
const wait = (seconds: number): void => void vi.advanceTimersByTime(seconds * 1000);

describe('a silence of the endpoint', () => {
  it('is explained after ten seconds, and counts down', () => {
    apply(['state', { status: 'answering', timeout: 120 }]);
    wait(9);
    expect(status()).toBe('answering');
    wait(3.1);
    expect(status()).toBe('no data for 12 s, giving up in 1 min 48 s');
    wait(88);
    expect(status()).toBe('no data for 1 min 40 s, giving up in 20 s');
    wait(60);
    expect(status()).toMatch(/giving up in 0 s$/);
  });

  it('ends with the next data', () => {
    apply(['state', { status: 'answering', timeout: 120 }], ['open', 0, { type: 'text' }]);
    wait(20);
    apply(['add', 0, 'Text.']);
    expect(status()).toBe('answering');
    wait(10.1);
    expect(status()).toMatch(/^no data for 10 s/);
    apply(['state', { status: 'complete' }]);
    expect(status()).toBe('done');
  });

  it.each([null, undefined, 'x'])('is not shown while the endpoint owes nothing: %j', (timeout) => {
    apply(['state', { status: 'waiting', timeout }]);
    wait(60);
    expect(status()).toBe('waiting');
  });

  it('is not what a user sees whose kernel is silent, or who must approve a call', () => {
    apply(['state', { status: 'answering', timeout: 120 }]);
    wait(20);
    apply(['state', { silent: true }]);
    expect(status()).toBe('no sign of life');
    apply(['state', { silent: false }]);
    expect(status()).toMatch(/^no data for 20 s/);
    apply(['state', { stopping: true }]);
    expect(status()).toMatch(/^no data for 20 s/);
  });
});

describe('a retry', () => {
  const retry = (seconds: unknown, attempt = 1): void => {
    apply(['state', { status: 'waiting', timeout: 120, retry: { seconds, attempt, of: 5 } }]);
  };

  it('counts down, and then the silence counts from the new attempt', () => {
    retry(7.5);
    expect(status()).toBe('retrying in 8 s (1 of 5)');
    wait(3);
    expect(status()).toBe('retrying in 5 s (1 of 5)');
    wait(5);
    expect(status()).toBe('waiting');
    wait(10);
    expect(status()).toMatch(/^no data for 10 s/);
    retry(7.5, 2);
    expect(status()).toBe('retrying in 8 s (2 of 5)');
  });

  it('of the same length counts down again', () => {
    retry(2);
    wait(3);
    retry(2);
    expect(status()).toBe('retrying in 2 s (1 of 5)');
  });

  it.each([undefined, 'soon', -3, NaN])('that makes no sense is not shown: %j', (seconds) => {
    retry(seconds);
    expect(status()).toBe('waiting');
  });
});

describe('a map run', () => {
  it('shows how many rows are done, and how many of them failed', () => {
    apply(['state', { status: 'waiting', rows: { rows: 1000, done: 312, failed: 0 } }]);
    expect(status()).toBe('312 of 1,000 rows, 0 failed');
    apply(['state', { rows: { rows: 1000, done: 1000, failed: 3 } }]);
    expect(status()).toBe('1,000 of 1,000 rows, 3 failed');
    apply(['state', { status: 'complete' }]);
    expect(status()).toBe('done');
  });
});
