// The footer of a turn: notes, the error, tokens, cost, and the stop reason unless the turn ended normally.
import { goToCell, hasCellLinks } from '../cell-links';
import { element, setText } from '../element';
import { isRecord, isRunning, displayedStatus, type TurnFields } from '../turn-state';
import { duration, t, type StringKey } from '../strings';
import { visible } from '../visible-characters';

function usageParts(usage: unknown): string[] {
  if (!isRecord(usage) || !Object.values(usage).some((count) => Number(count) > 0)) return [];
  const parts: string[] = [];
  const add = (field: string, key: StringKey, showZero: boolean): void => {
    const tokens = usage[field];
    if (typeof tokens !== 'number' || (tokens === 0 && !showZero)) return;
    parts.push(t(key, { tokens: tokens.toLocaleString('en') }));
  };
  add('input_tokens', 'usage.input', true);
  add('output_tokens', 'usage.output', true);
  add('cache_read_input_tokens', 'usage.cache-read', false);
  add('cache_creation_input_tokens', 'usage.cache-write', false);
  return parts;
}

function facts(fields: TurnFields): string[] {
  const parts: string[] = [];
  if (typeof fields.effort === 'string' && fields.effort)
    parts.push(t('effort', { effort: visible(fields.effort) }));
  parts.push(...usageParts(fields.usage));
  if (isText(fields.saved) && fields.saved)
    parts.push(t('usage.saved', { cost: visible(fields.saved) }));
  if (isText(fields.window) && fields.window)
    parts.push(t('usage.window', { percent: visible(fields.window) }));
  if (typeof fields.cost === 'string' && fields.cost) parts.push(visible(fields.cost));
  const reason = fields.stop_reason;
  if (typeof reason === 'string' && reason && !isShownElsewhere(reason, fields)) {
    parts.push(t('stop-reason', { reason: visible(reason) }));
  }
  if (typeof fields.thread === 'string' && fields.thread && fields.thread !== 'main') {
    parts.push(t('thread', { thread: visible(fields.thread) }));
  }
  return parts;
}

/** Whether the stop reason is the usual one, or the header shows it. */
function isShownElsewhere(reason: string, fields: TurnFields): boolean {
  const shown = displayedStatus(fields);
  if (reason === 'max_tokens') return shown === 'truncated';
  return reason === 'end_turn' || shown === 'refused' || shown === 'window';
}

/** Return the summary of a saved turn: its model, duration, tokens and cost, and how it ended if not normally. */
export function summaryParts(fields: TurnFields): string[] {
  const parts = isText(fields.model) ? [visible(fields.model)] : [];
  if (fields.seconds) parts.push(duration(fields.seconds));
  parts.push(...facts(fields));
  const shown = displayedStatus(fields);
  if (shown !== 'complete') parts.push(t(`status.${shown}`));
  return parts;
}

export class Footer {
  readonly el = element('div', 'mm-footer');
  private shown = '';

  update(fields: TurnFields): void {
    const notes = notesIn(fields);
    const error = typeof fields.error === 'string' ? fields.error : '';
    const parts = isRunning(fields.status) ? [] : facts(fields);
    const cells = cellsIn(fields);
    const content = JSON.stringify([notes, error, parts, [...cells]]);
    if (content === this.shown) return;
    this.shown = content;
    const lines = notes.map((note) =>
      element('div', 'mm-note', lineOf(visible(note), cells.get(note))),
    );
    if (error) lines.push(element('div', 'mm-error', visible(error)));
    if (parts.length > 0) {
      const spans = parts.map((part) => element('span', 'mm-fact', part));
      lines.push(element('div', 'mm-facts', ...spans));
    }
    this.el.replaceChildren();
    for (const line of lines) this.el.append(line);
  }
}

/** Return the cells of the changes that the notes list, by the text of the note. */
function cellsIn({ changes }: TurnFields): Map<string, string> {
  const found = new Map<string, string>();
  for (const { text, cell } of Array.isArray(changes) ? changes.filter(isRecord) : [])
    if (isText(text) && isText(cell)) found.set(text, cell);
  return found;
}

/** Return a note, as a link if it is about a cell. */
function lineOf(text: string, cell: string | undefined): Node | string {
  if (cell === undefined || !hasCellLinks()) return text;
  const link = element('button', 'mm-cell-link', text);
  link.type = 'button';
  link.addEventListener('click', () => {
    const isDeleted = !goToCell(link, cell);
    setText(link, isDeleted ? `${text} (${t('cell.deleted')})` : text);
  });
  return link;
}

/** Return the notes that are texts. */
export function notesIn({ notes }: TurnFields): string[] {
  return Array.isArray(notes) ? (notes as unknown[]).filter(isText) : [];
}

function isText(value: unknown): value is string {
  return typeof value === 'string';
}
