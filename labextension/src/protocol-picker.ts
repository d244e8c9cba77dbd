// The messages of the widget of `%minimax picker`, as in protocol.ts.
import type { EffectiveSetting } from './protocol';

/** The trait `state` of the widget. */
export interface PickerState {
  /** As in a `DocumentAnswer`. */
  readonly models?: readonly string[];
  readonly prices: Readonly<Record<string, readonly number[]>>;
  /** Also `tools`. */
  readonly settings: Readonly<Record<string, EffectiveSetting>>;
  /** The values that were set in this kernel, by name. */
  readonly own: Readonly<Record<string, unknown>>;
  readonly threads: readonly string[];
  /** The names that the setting `tools` can contain. */
  readonly tools: readonly string[];
  /** Which of the selected tools require approval, in words. */
  readonly approvals: string;
}

/** The user set a value for this kernel. Null is a value: the field is not sent. */
export interface AssignMessage {
  readonly type: 'assign';
  readonly name: string;
  readonly value: unknown;
}

/** The user removed a value that was set for this kernel. */
export interface ResetMessage {
  readonly type: 'reset';
  readonly name: string;
}

export type PickerMessage = AssignMessage | ResetMessage;
