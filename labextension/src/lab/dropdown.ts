// Turns a panel into a dialog that drops down from a button.
// It uses the browser's popover: the button opens and closes it, Escape and a click outside close it, focus returns to
// the button, and it is above everything else on the page. Moving the focus out of it with Tab closes it as well.
// Keys that are typed in it never trigger shortcuts of the application.

/** `onOpen` is called each time before the panel opens. */
export function attachDropdown(
  button: HTMLButtonElement,
  panel: HTMLElement,
  onOpen: () => void,
): void {
  panel.popover = 'auto';
  panel.setAttribute('role', 'dialog');
  panel.setAttribute('data-lm-suppress-shortcuts', 'true');
  button.setAttribute('aria-haspopup', 'dialog');
  button.popoverTargetElement = panel;
  panel.addEventListener('beforetoggle', ({ newState }) => {
    if (newState !== 'open') return;
    onOpen();
    const { left, bottom } = button.getBoundingClientRect();
    panel.style.setProperty('--mm-left', `${left}px`);
    panel.style.setProperty('--mm-top', `${bottom + 2}px`);
  });
  panel.addEventListener('keydown', ({ key, shiftKey }) => {
    if (key !== 'Tab') return;
    // The focus moves after this event.
    setTimeout(() => {
      if (panel.contains(document.activeElement)) return;
      panel.hidePopover();
      // The toolbar lets Tab reach only one of its buttons, which need not be this one.
      if (shiftKey) button.focus();
    });
  });
}
