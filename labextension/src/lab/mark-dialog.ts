// Explains a mark of an answer, such as "stale", and offers to ask again.
import { Dialog, showDialog } from '@jupyterlab/apputils';
import type { TranslationBundle } from '@jupyterlab/translation';
import type { Mark } from '../protocol';
import { fill, t } from '../renderer/strings';

/** Explain the mark. Return what the user chose. `count` is the number of stale and edited answers from here on. */
export async function explainMark(
  mark: Mark,
  count: number,
  trans: TranslationBundle,
): Promise<'ask-again' | 'ask-stale-below' | 'pin' | null> {
  const isOutdated = mark === 'stale' || mark === 'edited';
  const all = Dialog.createButton({
    label: fill(trans.__('Ask all {count} below'), { count }),
    accept: true,
  });
  const isPinned = mark === 'pinned';
  const act = Dialog.okButton({ label: isPinned ? trans.__('Unpin') : trans.__('Ask again') });
  const { button } = await showDialog({
    title: capitalized(t(`mark.${mark}`)),
    body: [t(`mark.${mark}.why`), isOutdated && count > 1 ? manyText(count, trans) : ''].join(' '),
    buttons: [
      Dialog.cancelButton({ label: trans.__('Close') }),
      ...(isOutdated && count > 1 ? [all] : []),
      act,
    ],
  });
  if (!button.accept) return null;
  if (isPinned) return 'pin';
  return button.label === all.label ? 'ask-stale-below' : 'ask-again';
}

/** Return whether the user wants to send this many requests. */
export async function confirmMany(count: number, trans: TranslationBundle): Promise<boolean> {
  const { button } = await showDialog({
    title: trans.__('Ask all stale answers below'),
    body: manyText(count, trans),
    buttons: [Dialog.cancelButton(), Dialog.okButton({ label: trans.__('Ask all') })],
  });
  return button.accept;
}

function capitalized(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1);
}

function manyText(count: number, trans: TranslationBundle): string {
  return fill(
    trans.__(
      'From here on, {count} answers are stale or edited. Asking all of them sends {count} prompts, one after the other.',
    ),
    { count },
  );
}
