// The controls in the header of an answer: its versions, Collapse, Copy, Ask again, and the button of its menu.
// They send events to the notebook that contains them, which acts on the cell.
import { copyIcon, ellipsesIcon, refreshIcon, type LabIcon } from '@jupyterlab/ui-components';
import type { Mark } from '../protocol';
import { element } from '../renderer/element';
import { fill, sharedTranslation } from '../renderer/strings';
import { visible } from '../renderer/visible-characters';
import type { TurnFields } from '../renderer/turn-state';
import { CONTROL, type HeaderActions, type HeaderControl } from '../renderer/views/header';
import { CollapseControl } from './collapse';
import { VersionSwitch } from './version-switch';
import { VERSION_EVENT, type VersionRequest } from './versions';

/** A bubbling event from a control of a turn. The detail is a `TurnCommand`. */
export const COMMAND_EVENT = 'mm-command';

export interface TurnCommand {
  /** A command of this extension without its prefix, `menu`, or `mark`. */
  readonly name: string;
  /** The mark that was pressed. */
  readonly mark?: Mark;
  /** The id of the turn. */
  readonly turn: unknown;
}

/** The controls of a turn, and those of each answer if there are several. */
export interface TurnActions extends HeaderActions {
  readonly partControls: () => readonly HeaderControl[];
}

/** Return the controls of a turn. `node` is inside the notebook. */
export function headerActions(id: () => unknown, node: () => EventTarget): TurnActions {
  const show = (number: number): void => {
    const detail: VersionRequest = { turn: id(), number };
    node().dispatchEvent(new CustomEvent(VERSION_EVENT, { detail, bubbles: true }));
  };
  const versions = new VersionSwitch(show);
  const trans = sharedTranslation();
  const menu = control('menu', ellipsesIcon, trans.__('Actions for this answer'), id);
  menu.el.setAttribute('aria-haspopup', 'menu');
  const copy = trans.__('Copy the answer as Markdown');
  return {
    partControls: () => [chooseControl(show)],
    onMark: (mark) => {
      const detail: TurnCommand = { name: 'mark', turn: id(), mark };
      node().dispatchEvent(new CustomEvent(COMMAND_EVENT, { detail, bubbles: true }));
    },
    controls: [
      versions,
      new CollapseControl(),
      control('copy-answer', copyIcon, copy, id),
      control('ask-again', refreshIcon, trans.__('Ask again'), id),
      {
        ...menu,
        update: (fields) => {
          showTime(menu.el, fields);
        },
      },
    ],
  };
}

/** Say when the prompt was sent if the mouse is over the header. */
function showTime(el: HTMLElement, { created }: TurnFields): void {
  const asked = new Date(created ?? NaN);
  const header = el.closest<HTMLElement>('.mm-header');
  const trans = sharedTranslation();
  const text = fill(trans.__('asked on {time}'), { time: asked.toLocaleString() });
  if (header) header.title = isNaN(+asked) ? '' : text;
}

function control(name: string, icon: LabIcon, label: string, id: () => unknown): HeaderControl {
  const button = element('button', `mm-icon-button mm-${name}`);
  button.type = 'button';
  button.setAttribute('aria-label', label);
  button.title = label;
  button.dataset[CONTROL] = name;
  icon.element({ container: button });
  button.addEventListener('click', () => {
    const detail: TurnCommand = { name, turn: id() };
    button.dispatchEvent(new CustomEvent(COMMAND_EVENT, { detail, bubbles: true }));
  });
  return { el: button };
}

/** The name of the button that continues with one of several answers. */
export const CHOOSE = 'choose';

/** Return the button that continues with one of several answers. `choose` is called with the number of its version. */
function chooseControl(choose: (number: number) => void): HeaderControl {
  const trans = sharedTranslation();
  const active = element('span', 'mm-active');
  const button = element('button', 'mm-button mm-choose', trans.__('Continue with this one'));
  button.type = 'button';
  button.dataset[CONTROL] = CHOOSE;
  let number = 0;
  button.addEventListener('click', () => {
    choose(number);
  });
  return {
    el: element('span', 'mm-choice', active, button),
    update: ({ version, active: isActive, model, empty }) => {
      number = version ?? 0;
      active.textContent = isActive === true ? trans.__('active') : '';
      active.title = trans.__('The conversation continues with this answer until you choose one.');
      button.hidden = empty !== false;
      const label = trans.__('Continue with this one: version {number}, {model}');
      button.setAttribute('aria-label', fill(label, { number, model: visible(model ?? '') }));
    },
  };
}
