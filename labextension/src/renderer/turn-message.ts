// Applies the messages about a running turn to its state. A page can miss some: it was opened later, or was offline.
import type { TurnMessage } from '../protocol';
import { EMPTY, isRecord, reduce, type TurnState } from './turn-state';

/** Return a received message, or null if it has another form. */
export function turnMessageIn(content: unknown): TurnMessage | null {
  if (!isRecord(content)) return null;
  const { turn, cell, displayed, seconds, start, end, ops } = content;
  const isValid =
    typeof turn === 'string' &&
    (typeof cell === 'string' || cell === null) &&
    typeof displayed === 'boolean' &&
    [seconds, start, end].every((each) => typeof each === 'number' && each >= 0) &&
    Array.isArray(ops);
  return isValid ? (content as unknown as TurnMessage) : null;
}

export class TurnProgress {
  state: TurnState = EMPTY;
  /** How many ops are applied. */
  private applied = 0;
  /** Messages that follow ones which were missed. */
  private early: TurnMessage[] = [];

  /** Whether ops are missing, so that the complete state is needed. */
  get lacksOps(): boolean {
    return this.early.length > 0;
  }

  receive(message: TurnMessage): void {
    // A sign of life has no ops, but shows which ops were sent.
    if (message.end <= this.applied) return;
    if (message.start === 0) this.state = reduce(EMPTY, message.ops);
    else if (message.start === this.applied) this.state = reduce(this.state, message.ops);
    else {
      this.early.push(message);
      return;
    }
    this.applied = message.end;
    const [early, rest] = [this.early, []];
    this.early = rest;
    for (const each of early) this.receive(each);
  }
}
