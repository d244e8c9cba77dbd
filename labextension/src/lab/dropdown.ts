// A dialog that drops down from a button: the platform's popover, which opens and closes by the button, closes by Escape
// and by a click outside, gives focus back, and stands above everything else on the page. Tab out of it closes it too.
// Always true: no key typed in it is a shortcut of the application's.

/** `opening` is called before each time that the panel opens. */
export function dropDown(button: HTMLButtonElement, panel: HTMLElement, opening: () => void): void {
  panel.popover = 'auto';
  panel.setAttribute('role', 'dialog');
  panel.setAttribute('data-lm-suppress-shortcuts', 'true');
  button.setAttribute('aria-haspopup', 'dialog');
  button.popoverTargetElement = panel;
  panel.addEventListener('beforetoggle', ({ newState }) => {
    if (newState !== 'open') return;
    opening();
    const { left, bottom } = button.getBoundingClientRect();
    panel.style.setProperty('--mm-left', `${left}px`);
    panel.style.setProperty('--mm-top', `${bottom + 2}px`);
  });
  panel.addEventListener('keydown', ({ key }) => {
    if (key !== 'Tab') return;
    // Where Tab leads is known once the key's event is over.
    setTimeout(() => {
      if (!panel.contains(document.activeElement)) panel.hidePopover();
    });
  });
}
