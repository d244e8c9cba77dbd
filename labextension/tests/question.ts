// A question of the kernel about a tool call, for tests.
import type { CallQuestion } from '../src/protocol';

export function questionWith(text: string, more: Partial<CallQuestion> = {}): CallQuestion {
  return {
    id: 'q1',
    sha256: 'h1',
    name: 'shell',
    parts: [{ label: 'command', language: 'bash', text, size: '1 line, 5 characters' }],
    risk: 'It runs.',
    always: 'Allow ls',
    ...more,
  };
}
