// Every message between the page and the kernel, typed once, with protocol-changes.ts and protocol-picker.ts.
// mm_magics/display/protocol.py is the Python twin of these files. tests/display/test_protocol.py reads all and fails when
// they differ, so they contain only constants, interfaces, unions of literals, and tuples.
// These types describe what a correct sender sends. The receiver of a message still checks it.
import type { CellsMessage, ChangeMessage, NotebookChange } from './protocol-changes';

// --- Shared values ---------------------------------------------------------------------------------------------------

/** The MIME type of a saved turn. */
export const MIME_TYPE = 'application/vnd.minimax.turn+json';

/** The key of the notebook metadata with the settings of the notebook. */
export const SETTINGS_KEY = 'minimax';

/** A content block of the Messages API. Its fields depend on its `type`. */
export type ContentBlock = Readonly<Record<string, unknown>>;

export type Status =
  'waiting' | 'thinking' | 'answering' | 'complete' | 'stopped' | 'truncated' | 'failed';

/** `decided`: the user has answered, and the kernel has not reported the result yet. */
export type CallStatus =
  'asking' | 'decided' | 'running' | 'done' | 'failed' | 'denied' | 'interrupted';

/** The page itself finds out which turns were `edited`; the kernel reports the others. */
export type Mark = 'removed' | 'stale' | 'edited' | 'replayed' | 'pinned';

/** The settings in the notebook metadata, under `SETTINGS_KEY`. Unknown keys are ignored. */
export interface NotebookSettings {
  readonly model?: string;
  readonly thinking?:
    'on' | 'off' | 'adaptive' | 'low' | 'medium' | 'high' | 'xhigh' | 'max' | number;
  readonly temperature?: number;
  readonly top_p?: number;
  readonly max_tokens?: number;
  readonly system?: string;
  readonly thread?: string;
}

/** The metadata of a saved turn, under `MIME_TYPE` in the metadata of its output. */
export interface TurnMetadata {
  readonly notes: readonly string[];
  /** A page made this output from what it had received: the turn was still running, or the kernel was gone. */
  readonly partial?: 'running' | 'gone';
}

// --- A running turn: kernel to page ----------------------------------------------------------------------------------

/**
 * Changes of a running turn, sent to every page as a custom message of its widget. One without ops is sent every half
 * second as a sign of life.
 */
export interface TurnMessage {
  /** The id of the turn. */
  readonly turn: string;
  readonly cell: string | null;
  /** Whether the turn is an output of its cell. If not, the server that executes the cell adds one when the turn ends. */
  readonly displayed: boolean;
  /** How long the turn has been running. */
  readonly seconds: number;
  /** How many ops were sent before these. If it is 0, the ops are the complete state, and can be fewer than `end`. */
  readonly start: number;
  /** How many ops were sent, including these. */
  readonly end: number;
  /** In order. `key` numbers the blocks of the turn, starting from 0. */
  readonly ops: readonly TurnOp[];
}

export type TurnOp = OpenOp | AddOp | ThinkOp | CloseOp | StateOp | ToolOp | RecordOp | PartOp;

export type AnswerOp = OpenOp | AddOp | ThinkOp | CloseOp | StateOp | ToolOp | RecordOp;

/** One of several answers that were asked for at once changes. They are numbered from 0. */
export type PartOp = readonly [kind: 'part', number: number, op: AnswerOp];

/** A block begins. With `in_text`, the model wrote the call into its text: the block is displayed, but not a part of the record. */
export type OpenOp = readonly [kind: 'open', key: number, block: ContentBlock];

/** Text is appended to a block. */
export type AddOp = readonly [kind: 'add', key: number, text: string];

/** Thinking is appended to a block that is not thinking: the endpoint sent it in a field of its own. */
export type ThinkOp = readonly [kind: 'think', key: number, text: string];

/** A block is complete. */
export type CloseOp = readonly [kind: 'close', key: number, end: BlockEnd];

/** Fields of the turn change. The others keep their values. */
export type StateOp = readonly [kind: 'state', change: StateChange];

/** The call in a block changes. Fields that are not in `change` keep their values. */
export type ToolOp = readonly [kind: 'tool', key: number, change: CallChange];

/**
 * Fields of the turn record change, and its complete messages: `messages` and the texts in `json` follow those sent
 * before, and the blocks opened from now on are not in them. The first such op contains everything that is known before the answer.
 */
export type RecordOp = readonly [kind: 'record', change: Readonly<Record<string, unknown>>];

export interface BlockEnd {
  readonly seconds?: number;
  /** The complete block. A text that was sent in `add` ops may be missing. */
  readonly block?: ContentBlock;
  /** The JSON text of the complete block, if saving a notebook changes it. */
  readonly exact?: string;
}

export interface StateChange {
  readonly status?: Status;
  readonly model?: string;
  readonly thread?: string;
  readonly notes?: readonly string[];
  /** Token counts, named as in the Messages API. */
  readonly usage?: Readonly<Record<string, number>>;
  readonly seconds?: number;
  readonly tokens_per_s?: number | null;
  /** The formatted cost, such as "≈ $0.0012". */
  readonly cost?: string;
  /** The part of the model's window in use, such as "38 %", or ''. */
  readonly window?: string;
  /** What the cache of the endpoint saved, such as "≈ $0.0012", or ''. */
  readonly saved?: string;
  /** How deeply the model was asked to think, or ''. */
  readonly effort?: string;
  readonly stop_reason?: string | null;
  readonly error?: string | null;
  /** Seconds without data after which the call is given up, or null while the endpoint owes none. */
  readonly timeout?: number | null;
  /** The request is sent again. */
  readonly retry?: RetryWait;
  /** How far a map run is. */
  readonly rows?: RowCount;
}

export interface RetryWait {
  /** How long the kernel waits, from this message on. */
  readonly seconds: number;
  readonly attempt: number;
  readonly of: number;
}

export interface RowCount {
  readonly rows: number;
  /** How many have an answer or failed. */
  readonly done: number;
  readonly failed: number;
}

/** A part of a call as it is shown: an argument that is code or long, or the other arguments. */
export interface ShownPart {
  /** The name of the argument. */
  readonly label: string;
  /** What it is written in, or '' for plain text. */
  readonly language: string;
  /** The text to show, all of it and unchanged. */
  readonly text: string;
  /** How long the argument is, such as "2 lines, 17 characters". */
  readonly size: string;
}

/** What the user is asked about a call. Only the kernel makes it, and the page shows it as it is. */
export interface CallQuestion {
  /** An id that the kernel makes. The question is answered once. */
  readonly id: string;
  /** The hash of exactly the call that runs if it is allowed. */
  readonly sha256: string;
  /** The name of the tool. */
  readonly name: string;
  readonly parts: readonly ShownPart[];
  /** What the call can do if it is allowed. */
  readonly risk: string;
  /** The label of the button that allows all such calls. */
  readonly always: string;
}

export interface CallChange {
  readonly state: CallStatus;
  readonly seconds?: number;
  readonly question?: CallQuestion;
}

// --- A running turn: page to kernel ----------------------------------------------------------------------------------

/** The turn is drawn, so its buttons can be pressed. Repeated while a call waits for approval. */
export interface HereMessage {
  readonly type: 'here';
}

/** Stop was pressed. */
export interface StopMessage {
  readonly type: 'stop';
}

/** The user allowed or denied a tool call. */
export interface DecideMessage {
  readonly type: 'decide';
  /** The id of the question. */
  readonly question: string;
  /** The hash of the call that was shown. The decision holds for no other. */
  readonly sha256: string;
  readonly allowed: boolean;
  /** Allow all such calls from now on. */
  readonly always: boolean;
  /** Why the call was denied. */
  readonly reason: string;
}

export type WidgetMessage = HereMessage | StopMessage | DecideMessage;

/** A page that lacks ops asks for the complete state. */
export interface StateMessage {
  readonly type: 'state';
}

/** Cells were moved or deleted while others are queued, whose descriptions are out of date. */
export interface OrderMessage {
  readonly type: 'order';
  /** `DocumentDescription.page`. */
  readonly page: string;
  readonly sent_at: number;
  /** The ids of all cells. */
  readonly order: readonly string[];
}

/** A page shows the rules about tool calls that hold until the kernel ends. */
export interface RulesMessage {
  readonly type: 'rules';
}

/** The user removed such a rule. */
export interface ForgetMessage {
  readonly type: 'forget';
  /** `StandingRule.id`. */
  readonly rule: string;
}

/** A page shows the request with which a turn that has ended began. */
export interface RequestMessage {
  readonly type: 'request';
}

/** Never summarize a turn, or allow it again. */
export interface PinMessage {
  readonly type: 'pin';
  readonly on: boolean;
}

/** Show the summary that the next prompt of a turn's thread has, after changing it. An empty text removes it. */
export interface SummaryMessage {
  readonly type: 'summary';
  readonly text?: string;
}

export type PageMessage =
  | HereMessage
  | StopMessage
  | DecideMessage
  | StateMessage
  | OrderMessage
  | RulesMessage
  | ForgetMessage
  | RequestMessage
  | PinMessage
  | SummaryMessage
  | ChangeMessage
  | CellsMessage;

export interface StandingRule {
  readonly id: string;
  /** The rule as it is typed, such as `allow shell command='git *'`. */
  readonly text: string;
}

/** `text` is the body as JSON. */
export interface ShownRequest {
  readonly text: string;
  readonly note: string;
}

/** `text` is '' if the next prompt has no summary. */
export interface ShownSummary {
  readonly text: string;
  readonly note: string;
}

/** Sent on the control channel, which the kernel reads while a cell runs. */
export interface PageRequest {
  /** The id of the turn. Stop without it stops whatever is running. */
  readonly turn?: string;
  readonly message: PageMessage;
}

export interface PageReply {
  /** Whether the turn is running and received the message. */
  readonly received: boolean;
  /** The answer to a `StateMessage`. */
  readonly state?: TurnMessage;
  /** The answer to a `RulesMessage` or a `ForgetMessage`: the rules that hold. */
  readonly rules?: readonly StandingRule[];
  readonly request?: ShownRequest;
  readonly summary?: ShownSummary;
}

/**
 * The `target_name` of a `comm_info_request` that contains a `PageRequest`, and the field of the request and of its reply
 * that contains ours.
 */
export const REQUEST_TARGET = 'mm_magics';

// --- The comm of a notebook, opened by the page ----------------------------------------------------------------------

/** Carries a `DocumentDescription` before each execution, and the kernel's `DocumentAnswer`s. */
export const DOCUMENT_COMM = 'mm_magics.document';

/** A cell in the notebook format, reduced to what the conversation needs. */
export interface CellDescription {
  readonly cell_type: string;
  readonly source: string;
  readonly outputs: readonly Readonly<Record<string, unknown>>[];
  /** The attachments of a Markdown cell, in the notebook format. */
  readonly attachments?: Readonly<Record<string, unknown>>;
}

export interface DocumentDescription {
  readonly name: string;
  readonly path: string;
  /** Tells the pages apart that share a kernel. */
  readonly page: string;
  /** Seconds since the epoch. */
  readonly sent_at: number;
  /** The ids of all cells. */
  readonly order: readonly string[];
  /** The ids of the cells that are queued or running. */
  readonly pending: readonly string[];
  /** The cells that differ from the previous description, by id. */
  readonly changed: Readonly<Record<string, CellDescription>>;
  /** The notebook metadata under `SETTINGS_KEY`: a `NotebookSettings`, unless somebody edited it by hand. */
  readonly settings: Readonly<Record<string, unknown>>;
  /** Sent once, by a page that was just opened: when its file was saved, in seconds since the epoch. */
  readonly since?: number;
  /** The ids of the cells that are about to run, in order. A server that executes cells does not tell the kernel. */
  readonly scheduled?: readonly string[];
  /** The settings for this run of the cells that are about to run, by cell id. */
  readonly once?: Readonly<Record<string, OneTimeSettings>>;
  /** The page shows a list of models: the kernel asks the endpoint for those on offer, unless it knows them. */
  readonly wants_models?: boolean;
}

/** Settings for one run of a cell, which its text does not contain. */
export interface OneTimeSettings {
  readonly model?: string;
  /** Send the request even if it is recorded. */
  readonly replay?: 'off';
}

/** A setting as the next prompt cell uses it, unless a flag replaces it. */
export interface EffectiveSetting {
  /** The value as text, shortened; `endpoint default` if nothing is sent. For the model it is the one that answers. */
  readonly shown: string;
  /** `set in this kernel`, `notebook`, `IPython configuration`, `environment`, `default`, or `locked in` a file. */
  readonly source: string;
  /** Why a value that the page chose is not used: a limit of the administrator. */
  readonly refused?: string;
}

export interface DocumentAnswer {
  /** The names of the models that the endpoint offers, once the kernel knows them. */
  readonly models?: readonly string[];
  /** The user's own prices of models: US dollars per million tokens of input and of output. */
  readonly prices?: Readonly<Record<string, readonly number[]>>;
  /** The settings that a notebook can have, by name. */
  readonly settings?: Readonly<Record<string, EffectiveSetting>>;
  /** How much of the window of its model the conversation uses, such as "38 %", or ''. */
  readonly context?: string;
  /** The outputs of answers that ended while no page was open, or whose active version changed, by cell id. */
  readonly outputs?: Readonly<Record<string, CellOutput>>;
  /** The marks of all turns that have any, by cell id and turn id. */
  readonly marks?: Readonly<Record<string, Readonly<Record<string, readonly Mark[]>>>>;
  /** Changes that the page makes or proposes, in order. One that it has received before is not made again. */
  readonly changes?: readonly NotebookChange[];
  /** The ids of changes that are decided, on this page or another one, or no longer wanted: nothing waits for them. */
  readonly settled?: readonly string[];
  /** A model reads the notebook: the page answers with a `CellsMessage` for this id. */
  readonly wants_cells?: string;
}

/** The output of a turn. `more` are those of the other turns of its cell, if the cell runs several prompts. */
export interface CellOutput {
  readonly data: Readonly<Record<string, unknown>>;
  readonly metadata: Readonly<Record<string, unknown>>;
  readonly more?: readonly Readonly<Record<string, unknown>>[];
}
