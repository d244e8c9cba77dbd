// What has the focus after a control of an answer was removed or disabled.
import type { Notebook } from '@jupyterlab/notebook';
import { beforeEach, expect, it, vi } from 'vitest';
import { restoreFocus } from '../../src/lab/restore-focus';

let control: HTMLButtonElement;

const named = (id: string): HTMLElement => document.getElementById(id)!;

const remove = (): void => {
  control.remove();
};
const disable = (): void => {
  control.disabled = true;
};
const hide = (): void => {
  control.hidden = true;
};

/** Take the focus from the control, which browsers do if it is removed. */
async function lose(change: () => void): Promise<void> {
  control.blur();
  change();
  await vi.runAllTimersAsync();
}

beforeEach(() => {
  vi.useFakeTimers();
  HTMLElement.prototype.checkVisibility = function (): boolean {
    return !this.closest('[hidden]');
  };
  document.body.innerHTML = `<div id="notebook"><div class="jp-Cell" id="cell" tabindex="0">
    <div class="mm-turn"><details open><summary id="call" tabindex="0">Tool</summary><p id="box"></p></details>
    <p id="text"></p></div></div></div>`;
  restoreFocus({ node: named('notebook') } as unknown as Notebook);
  control = document.createElement('button');
});

it.each([
  ['removed', remove],
  ['disabled', disable],
  ['hidden', hide],
])('is the cell if the control is %s', async (_change, change) => {
  named('text').append(control);
  control.focus();
  await lose(change);
  expect(document.activeElement).toBe(named('cell'));
});

it('is the tool call that the control belongs to', async () => {
  named('box').append(control);
  control.focus();
  await lose(remove);
  expect(document.activeElement).toBe(named('call'));
});

it('is nothing else if the control can still have the focus, or something else has it', async () => {
  named('text').append(control);
  control.focus();
  await lose(() => undefined);
  expect(document.activeElement).toBe(document.body);
  control.focus();
  await lose(() => {
    control.remove();
    named('call').focus();
  });
  expect(document.activeElement).toBe(named('call'));
});
