// A turn of the cell `cell-0` that a fake kernel runs: its record, and its messages to a page.
import type { FakePanel } from './fake-jupyterlab';

let count = 0;

export class FakeTurn {
  readonly id = `turn-${count++}`;
  /** All ops so far. */
  private readonly ops: unknown[] = [];

  /**
   * `session` is the connection of the page that sent the prompt. A turn that is not `displayed` has no output while it
   * runs.
   */
  constructor(
    private readonly panel: FakePanel,
    private readonly session = 'this page',
    private readonly displayed = true,
  ) {
    panel.kernel.answer = ({ turn, message }) => {
      if (turn !== this.id) return { received: false };
      const isState = (message as { type: string }).type === 'state';
      return { received: true, ...(isState ? { state: this.message(0) } : {}) };
    };
  }

  /** Return the record, with this answer if it is not empty. */
  record(status = 'stopped', text = ''): Record<string, unknown> {
    const answer = text ? [{ role: 'assistant', content: [{ type: 'text', text }] }] : [];
    return {
      schema: 2,
      id: this.id,
      thread: 'main',
      cell_id: 'cell-0',
      created: '2026-11-27T12:00:00Z',
      status,
      model: 'MiniMax-M2.7',
      system: null,
      params: { max_tokens: 9 },
      messages: [{ role: 'user', content: [{ type: 'text', text: 'Hi.' }] }, ...answer],
      responses: text ? [{ id: 'm', model: 'M', usage: {}, seconds: 0.1 }] : [],
      request_sha256: '0'.repeat(64),
      error: null,
    };
  }

  /** Add ops that the page does not receive. */
  miss(...ops: unknown[]): void {
    this.ops.push(...ops);
  }

  send(...ops: unknown[]): void {
    const start = this.ops.length;
    this.miss(...ops);
    const data = { method: 'custom', content: this.message(start) };
    this.publish('comm_msg', { comm_id: 'c', data });
  }

  publish(type: string, content: object): void {
    this.panel.publish('request', type, content, this.session);
  }

  /** Send the thinking and the begin of the answer. */
  start(): void {
    this.send(['record', this.record()]);
    this.send(['state', { status: 'answering', model: 'MiniMax-M2.7' }]);
    this.send(
      ['record', { messages: [], responses: [{ id: 'm', model: 'M', usage: {}, seconds: 0.1 }] }],
      ['open', 0, { type: 'thinking' }],
      ['add', 0, 'Hm.'],
      ['close', 0, { block: { type: 'thinking', signature: 's' } }],
      ['open', 1, { type: 'text' }],
      ['add', 1, '**one** '],
    );
  }

  private message(start: number): object {
    const { id: turn, displayed, ops } = this;
    const sent = ops.slice(start);
    return { turn, cell: 'cell-0', displayed, seconds: 3, start, end: ops.length, ops: sent };
  }
}
