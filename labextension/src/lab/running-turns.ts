// Keeps the cells of a notebook in agreement with the turns that run in its kernel: a page that was reloaded, or did not
// start the turn, shows it too, and if the kernel is gone, what was received stays in the cell as a stopped turn.
import type { ICodeCellModel } from '@jupyterlab/cells';
import type { NotebookPanel } from '@jupyterlab/notebook';
import type { Kernel, KernelMessage } from '@jupyterlab/services';
import { MIME_TYPE, type TurnMessage } from '../protocol';
import { turnMessageIn } from '../renderer/turn-message';
import { isRecord } from '../renderer/turn-state';
import { versionIds } from '../renderer/versions';
import { addLiveTurn, LiveTurn, liveTurn, removeLiveTurn } from './live-turns';
import { lockTurn } from './page-lock';
import { isFinal } from './answer-places';
import { isCodeCell, turnRecordIn, turnRecordsOf } from './prompt-cell';
import type { TurnOutput } from './partial-turn';
import { SharedDocument } from './shared-document';
import { UndisplayedTurn } from './undisplayed-turns';

const DEAD: ReadonlySet<Kernel.Status> = new Set(['restarting', 'autorestarting', 'dead']);
const CHECK_CONNECTION_MS = 250;
/** A kernel that is being restarted can still send something for so long. */
const LAST_WORDS_MS = 10_000;

/** By then, the cell shows the final output of a turn. */
const FORGET_AFTER_MS = 1_000;

/** The pages of a shared document agree after so long. */
const SHARED_AFTER_MS = 3_000;

/** What this page knows about a turn, beside the turn itself. */
interface Shown {
  readonly turn: LiveTurn;
  /** The id of the execute request. */
  readonly request: string;
  /** Whether the turn is an output of its cell while it runs. */
  readonly displayed: boolean;
  /** The page that sent the request, or the server if it executes the cells. */
  readonly session: string;
  /** Whether this page sent the request, and so receives the outputs of the cell. */
  readonly isStartedHere: boolean;
  readonly unlock: (hasEnded: boolean) => void;
  /** Whether this page has put the turn into the cell. */
  isInCell: boolean;
  /** Whether this page saves the turn. */
  isSaved: boolean;
}

export class RunningTurns {
  private readonly shown = new Map<string, Shown>();
  private readonly document: SharedDocument;

  constructor(private readonly panel: NotebookPanel) {
    const { context, sessionContext } = panel;
    this.document = new SharedDocument(panel);
    sessionContext.iopubMessage.connect((_, message) => {
      this.receive(message);
    });
    sessionContext.statusChanged.connect((_, status) => {
      if (DEAD.has(status)) this.lose(true);
    });
    sessionContext.kernelChanged.connect(() => {
      this.lose(true);
    });
    sessionContext.connectionStatusChanged.connect((_, status) => {
      if (status === 'disconnected') this.lose(false);
      else if (status === 'connecting') this.loseSilentTurns();
    });
    context.saveState.connect((_, state) => {
      // A turn that runs while the notebook is saved is in the file as far as it was received.
      if (state === 'started') for (const each of this.shown.values()) this.write(each);
    });
    panel.disposed.connect(() => {
      for (const each of this.shown.values()) this.forget(each);
    });
  }

  private receive(message: KernelMessage.IMessage): void {
    const { header, content, parent_header: parent } = message as KernelMessage.IIOPubMessage;
    const { msg_id: request, session } = parent as Partial<KernelMessage.IHeader>;
    if (header.msg_type === 'comm_msg') {
      const { data } = content as KernelMessage.ICommMsgMsg['content'];
      const received = data['method'] === 'custom' ? turnMessageIn(data['content']) : null;
      if (received) this.receiveTurn(received, request ?? '', session ?? '');
    } else if (header.msg_type === 'display_data' || header.msg_type === 'update_display_data') {
      this.receiveOutput(content as unknown as TurnOutput);
    } else if (header.msg_type === 'status') {
      const { execution_state: state } = content as KernelMessage.IStatusMsg['content'];
      if (state !== 'idle') return;
      for (const each of this.shown.values())
        if (each.request === request && !each.turn.isRunning) this.forget(each);
    }
  }

  private receiveTurn(message: TurnMessage, request: string, session: string): void {
    const kernel = this.panel.sessionContext.session?.kernel;
    const known = liveTurn(message.turn);
    if (!kernel || (known && known.kernel.id !== kernel.id)) return;
    const turn = known ?? new LiveTurn(kernel, message);
    if (!known) addLiveTurn(turn);
    turn.receive(message);
    let shown = this.shown.get(turn.id);
    if (!shown) {
      const isStartedHere = session === kernel.clientId;
      const unlock = lockTurn(turn.id, isStartedHere, () => {
        this.saveHere(turn.id);
      });
      shown = {
        turn,
        request,
        session,
        displayed: message.displayed,
        isStartedHere,
        unlock,
        isInCell: false,
        isSaved: isStartedHere,
      };
      this.shown.set(turn.id, shown);
      void turn.known.then(() => {
        const known = this.shown.get(turn.id);
        if (known) this.show(known);
      });
      void turn.over.then(() => {
        const known = this.shown.get(turn.id);
        if (known) this.forget(known);
      });
    } else this.show(shown);
    if (turn.isLost && message.ops.length > 0) this.write(shown);
  }

  /** Show the final output also where no request of this page waits for it. */
  private receiveOutput({ data, metadata }: TurnOutput): void {
    const record = data[MIME_TYPE];
    const id = isRecord(record) ? record['id'] : null;
    const shown = typeof id === 'string' ? this.shown.get(id) : undefined;
    if (shown?.turn.isLost && isFinal(data, metadata)) this.forget(shown);
    else if (shown && !shown.turn.isRunning && isFinal(data, metadata))
      // The request of an answer in the background has ended long before.
      setTimeout(() => {
        if (this.shown.get(shown.turn.id) === shown) this.forget(shown);
      }, FORGET_AFTER_MS);
    if (!shown || shown.isStartedHere || !shown.displayed) return;
    if (!this.document.isShared) this.setOutput(shown, { data, metadata });
    else if (isFinal(data, metadata))
      setTimeout(() => {
        this.addMissingOutput(shown, { data, metadata });
      }, SHARED_AFTER_MS);
  }

  /** Add the final output to a shared document if the page that receives it is gone. */
  private addMissingOutput(shown: Shown, output: TurnOutput): void {
    if (!this.hasFinalOutput(shown) && this.document.isWriter(shown.session))
      this.setOutput(shown, output);
  }

  /** Show the turn in its cell, unless this page receives the output of the cell. */
  private show(shown: Shown): void {
    const { turn, displayed, isStartedHere } = shown;
    if (!turn.isRunning || this.find(turn.id).length > 0) return;
    if (!displayed) {
      const cell = this.panel.content.widgets.find(({ model }) => model.id === turn.cell);
      UndisplayedTurn.show(turn, cell);
    } else if (!isStartedHere && !this.document.isShared) {
      this.write(shown);
    }
  }

  /** Put what was received into the cell, unless another page does, or a server that executes the cell adds the output. */
  private write(shown: Shown): void {
    const { turn, displayed, session } = shown;
    if (!(turn.isLost || (turn.isRunning && displayed)) || !this.document.isWriter(session)) return;
    const output = turn.output();
    if (output) this.setOutput(shown, output);
  }

  private setOutput(shown: Shown, { data, metadata }: TurnOutput): void {
    const { model } = this.panel.content;
    if (!model) return;
    const wasDirty = model.dirty;
    const output = { output_type: 'display_data', data, metadata };
    const found = this.find(shown.turn.id);
    for (const { cell, index } of found) cell.outputs.set(index, output);
    // What was removed from the cell after the kernel was gone stays so.
    const wasRemoved = shown.turn.isLost && shown.isInCell;
    if (found.length === 0 && !wasRemoved && !this.isVersion(shown.turn.id))
      this.cell(shown.turn.cell)?.outputs.fromJSON([output]);
    shown.isInCell = true;
    if (!shown.isSaved && !wasDirty) model.dirty = false;
  }

  /** This page is now the one that saves the turn. */
  private saveHere(id: string): void {
    const shown = this.shown.get(id);
    if (!shown || !(shown.turn.isRunning || shown.turn.isLost)) return;
    shown.isSaved = true;
    if (shown.isInCell && !shown.isStartedHere && this.panel.content.model)
      this.panel.content.model.dirty = true;
  }

  /** While the connection is lost, the kernel of a turn without a sign of life counts as gone. */
  private loseSilentTurns(): void {
    const status = this.panel.sessionContext.session?.kernel?.connectionStatus;
    if (status === 'connected' || this.panel.isDisposed) return;
    this.lose(false, ({ turn }) => turn.isSilent);
    if ([...this.shown.values()].some(({ turn }) => turn.isRunning))
      setTimeout(() => {
        this.loseSilentTurns();
      }, CHECK_CONNECTION_MS);
  }

  private lose(sure: boolean, isMeant: (shown: Shown) => boolean = () => true): void {
    for (const shown of this.shown.values()) {
      if (!isMeant(shown)) continue;
      const { id, isRunning, isLost } = shown.turn;
      // It may have ended, but its cell still shows what was displayed when it began.
      const isUnfinished = isRunning || (this.find(id).length > 0 && !this.hasFinalOutput(shown));
      if (!isLost && !isUnfinished) continue;
      shown.turn.lose(sure);
      this.write(shown);
      if (sure)
        setTimeout(() => {
          this.forget(shown);
        }, LAST_WORDS_MS);
    }
  }

  private hasFinalOutput({ turn }: Shown): boolean {
    return this.find(turn.id).some(({ cell, index }) => {
      const { data, metadata } = cell.outputs.get(index);
      return isFinal(data, metadata);
    });
  }

  private forget(shown: Shown): void {
    shown.unlock(!shown.turn.isRunning);
    if (this.shown.get(shown.turn.id) !== shown) return;
    this.shown.delete(shown.turn.id);
    removeLiveTurn(shown.turn);
  }

  /** Return the outputs that contain the record of the turn, in whatever cells they are. */
  private find(id: string): { cell: ICodeCellModel; index: number }[] {
    const found: { cell: ICodeCellModel; index: number }[] = [];
    for (const cell of this.panel.content.model?.cells ?? []) {
      if (!isCodeCell(cell)) continue;
      for (let index = 0; index < cell.outputs.length; index++) {
        if (turnRecordIn(cell.outputs.get(index))?.['id'] === id) found.push({ cell, index });
      }
    }
    return found;
  }

  /** Whether the turn is in the notebook as a version that is not shown. */
  private isVersion(id: string): boolean {
    const records = [...(this.panel.content.model?.cells ?? [])].flatMap(turnRecordsOf);
    return records.some((record) => versionIds(record).includes(id));
  }

  private cell(id: string | null): ICodeCellModel | null {
    for (const cell of this.panel.content.model?.cells ?? [])
      if (cell.id === id && isCodeCell(cell)) return cell;
    return null;
  }
}
