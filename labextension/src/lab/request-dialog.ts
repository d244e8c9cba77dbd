// Shows the request of a turn, pins turns, and changes the summary of earlier turns. The kernel builds the request again
// and knows the pins and summaries, so all explain themselves without a kernel that has loaded mm_magics.
import { Dialog, showDialog } from '@jupyterlab/apputils';
import type { NotebookPanel } from '@jupyterlab/notebook';
import type { TranslationBundle } from '@jupyterlab/translation';
import { Widget } from '@lumino/widgets';
import { element } from '../renderer/element';
import { copyText } from '../renderer/copy-text';
import { visible } from '../renderer/visible-characters';
import { commsWith, isPinned } from './kernel-plugin';
import { promptCellOf } from './insert-cells';

/** Show the body of the request with which a turn began, with a button that copies it. */
export async function showRequest(
  { content }: NotebookPanel,
  turn: string,
  trans: TranslationBundle,
): Promise<void> {
  const request = (await commsWith(content)?.requestOfTurn(turn)) ?? null;
  if (!request) {
    await explain(trans.__('Request'), trans);
    return;
  }
  const body = new Widget();
  body.addClass('mm-request');
  const code = element('pre', 'mm-request-body', visible(request.text));
  code.tabIndex = 0;
  code.setAttribute('role', 'group');
  code.setAttribute('aria-label', trans.__('Body of the request'));
  body.node.append(element('p', '', visible(request.note)));
  if (request.text) body.node.append(code);
  const copy = Dialog.okButton({ label: trans.__('Copy') });
  const { button } = await showDialog({
    title: trans.__('Request'),
    body,
    buttons: [Dialog.cancelButton({ label: trans.__('Close') }), ...(request.text ? [copy] : [])],
    focusNodeSelector: '.mm-request-body',
  });
  if (button.accept) await copyText(request.text);
}

/** Show the summary that the next prompt has instead of earlier turns, in a box where it can be changed. */
export async function editSummary(
  { content }: NotebookPanel,
  turn: string,
  trans: TranslationBundle,
): Promise<void> {
  const title = trans.__('Summary of earlier turns');
  const comms = commsWith(content);
  const summary = (await comms?.summary(turn)) ?? null;
  if (!comms || !summary) {
    await explain(title, trans);
    return;
  }
  if (!summary.text) {
    const body = trans.__('The next prompt sends all turns: no summary is in use.');
    await showDialog({ title, body, buttons: [Dialog.okButton({ label: trans.__('Close') })] });
    return;
  }
  const body = new Widget();
  body.addClass('mm-request');
  const text = element('textarea', 'mm-summary-text');
  text.value = summary.text;
  text.setAttribute('aria-label', title);
  body.node.append(element('p', '', visible(summary.note)), text);
  const sendAll = Dialog.warnButton({ label: trans.__('Send all turns') });
  const save = Dialog.okButton({ label: trans.__('Save') });
  const { button } = await showDialog({
    title,
    body,
    buttons: [Dialog.cancelButton({ label: trans.__('Cancel') }), sendAll, save],
    focusNodeSelector: '.mm-summary-text',
  });
  const changed = text.value !== summary.text;
  if (button.label === sendAll.label) await comms.summary(turn, '');
  else if (button.accept && changed) await comms.summary(turn, text.value);
}

/** Pin the turn, or unpin it if it is pinned. */
export async function togglePin(
  { content }: NotebookPanel,
  turn: string,
  trans: TranslationBundle,
): Promise<void> {
  const on = !isPinnedTurn(content, turn);
  if (!(await commsWith(content)?.pin(turn, on)))
    await explain(on ? trans.__('Pin') : trans.__('Unpin'), trans);
}

/** Whether the turn of the active cell is pinned. */
export function isPinnedTurn(content: NotebookPanel['content'], turn: unknown): boolean {
  const { activeCell } = content;
  return activeCell !== null && isPinned(content, promptCellOf(activeCell.model), turn);
}

async function explain(title: string, trans: TranslationBundle): Promise<void> {
  await showDialog({
    title,
    body: trans.__(
      'This needs a running kernel that knows the answer. Start the kernel, run %load_ext mm_magics in it, and try again.',
    ),
    buttons: [Dialog.okButton({ label: trans.__('Close') })],
  });
}
