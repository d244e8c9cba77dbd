// The messages about changes of the notebook that a model requests, as in protocol.ts.

export type ChangeKind = 'insert' | 'edit' | 'move' | 'delete' | 'run';

/** A change of the notebook, which the kernel sends in a `DocumentAnswer`. */
export interface NotebookChange {
  /** An id that the kernel makes. */
  readonly id: string;
  /** The id of the turn that requests the change. */
  readonly turn: string;
  readonly kind: ChangeKind;
  /** The id of the cell. One that is inserted gets this id. */
  readonly cell: string;
  /** Whether the page shows the change and waits for the person, or makes it at once. A `run` never waits: the kernel has asked. */
  readonly ask: boolean;
  /** The type of the cell to insert. */
  readonly cell_type?: 'code' | 'markdown';
  /** The text of the cell as the model has read it. The page makes no change of a cell whose text is another. */
  readonly before?: string;
  /** The new text of the cell, to insert or edit. */
  readonly after?: string;
  /** The id of the cell below which the cell is inserted or moved. Null is the top of the notebook. */
  readonly place?: string | null;
  /** The cell to insert, in the notebook format, which undoes that it was deleted. */
  readonly content?: Readonly<Record<string, unknown>>;
}

/** `refused`: the page cannot make the change. `failed`: the cell ran and raised an error. */
export type ChangeState =
  'proposed' | 'accepted' | 'rejected' | 'refused' | 'running' | 'ended' | 'failed';

/** What became of a change, sent on the control channel. */
export interface ChangeMessage {
  readonly type: 'change';
  /** `NotebookChange.id`. */
  readonly change: string;
  readonly state: ChangeState;
  /** One sentence that says why the change was refused, or ''. */
  readonly reason: string;
  /** The text of the cell after the decision. It differs from `NotebookChange.after` if a part was accepted. */
  readonly source?: string;
  /** The deleted cell, in the notebook format. */
  readonly content?: Readonly<Record<string, unknown>>;
  /** The id of the cell below which a cell that was deleted or moved was before. Null is the top of the notebook. */
  readonly place?: string | null;
  /** The outputs of the run, in the notebook format. */
  readonly outputs?: readonly Readonly<Record<string, unknown>>[];
  readonly execution_count?: number | null;
}

export interface CellText {
  readonly cell_type: string;
  readonly source: string;
}

/** The cells as the page has them now, which answers `DocumentAnswer.wants_cells`, on the control channel. */
export interface CellsMessage {
  readonly type: 'cells';
  /** `DocumentAnswer.wants_cells`. */
  readonly request: string;
  /** The ids of all cells. */
  readonly order: readonly string[];
  /** The ids of the cells that are queued or running. */
  readonly pending: readonly string[];
  /** All cells by id: the kernel may not have received the last description yet. */
  readonly cells: Readonly<Record<string, CellText>>;
}
