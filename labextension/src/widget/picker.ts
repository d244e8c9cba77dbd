// The widget of `%minimax picker`: the form, bound to the settings of the kernel. Only a picker loads this module.
import { SettingsForm } from '../picker/settings-form';
import style from '../picker/picker.css';
import type { PickerMessage, PickerState } from '../protocol-picker';
import { injectStyle } from '../renderer/inject-style';
import { sharedTranslation } from '../renderer/strings';

/** What we use of anywidget's model. */
export interface PickerModel {
  readonly get: (trait: 'state') => PickerState;
  readonly on: (event: 'change:state', callback: () => void) => void;
  readonly off: (event: 'change:state', callback: () => void) => void;
  readonly send: (message: PickerMessage) => void;
}

function render({ model, el }: { model: PickerModel; el: HTMLElement }): () => void {
  const trans = sharedTranslation();
  let own = model.get('state').own;
  const form = new SettingsForm(trans, 'kernel', (settings) => {
    for (const name of new Set([...Object.keys(own), ...Object.keys(settings)])) {
      const value = settings[name];
      if (JSON.stringify(value) === JSON.stringify(own[name])) continue;
      model.send(value === undefined ? { type: 'reset', name } : { type: 'assign', name, value });
    }
    own = settings;
  });
  const title = document.createElement('h2');
  title.textContent = trans.__('MiniMax in this kernel');
  el.classList.add('mm-picker');
  el.setAttribute('role', 'group');
  el.setAttribute('aria-label', title.textContent);
  el.setAttribute('data-lm-suppress-shortcuts', 'true');
  el.append(title, form.el);
  injectStyle(el, 'picker', style);
  const show = (): void => {
    const state = model.get('state');
    form.showFacts(state);
    own = state.own;
    form.show(own);
  };
  show();
  model.on('change:state', show);
  return () => {
    model.off('change:state', show);
  };
}

export default { render };
