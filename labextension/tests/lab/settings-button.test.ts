// The settings button in the toolbar of a notebook, and the metadata that its panel writes.
import { beforeEach, describe, expect, it, vi } from 'vitest';
import { kernelPlugin } from '../../src/lab/kernel-plugin';
import { toolbarPlugin } from '../../src/lab/settings-button';
import { fakeApp, openNotebook, settled, type FakePanel } from './fake-jupyterlab';

async function activate(panel: FakePanel, withKernel = false): Promise<HTMLButtonElement> {
  const { app, tracker, registry } = fakeApp(panel);
  if (withKernel) await kernelPlugin.activate(app, tracker);
  await toolbarPlugin.activate(app, registry, null);
  await settled();
  return panel.toolbarItems[0]!.node.querySelector('button')!;
}

const isShown = (panel: FakePanel): boolean => !panel.toolbarItems[0]!.isHidden;
const metadata = (panel: FakePanel): unknown => panel.content.model!.getMetadata('minimax');

function enter(label: string, value: string): void {
  const found = [...document.querySelectorAll('label')].find((each) => each.textContent === label);
  const control = document.getElementById(found!.htmlFor) as HTMLInputElement;
  control.value = value;
  control.dispatchEvent(new Event('change', { bubbles: true }));
}

beforeEach(() => {
  document.body.replaceChildren();
});

describe('the button', () => {
  it('shows the model and whether it thinks', async () => {
    const minimax = { model: 'MiniMax-\u202eM2.5', thinking: 'off' };
    const panel = openNotebook(['%%minimax'], { metadata: { minimax } });
    const button = await activate(panel);
    expect(button.textContent).toBe('[U+202E]M2.5 · no thinking ▾');
    panel.content.model!.setMetadata('minimax', { thinking: 'on' });
    expect(button.textContent).toBe('MiniMax · thinking ▾');
    panel.content.model!.setMetadata('minimax', { thinking: 'low' });
    expect(button.textContent).toBe('MiniMax · thinking: low ▾');
    panel.content.model!.setMetadata('minimax', { thinking: 'most' });
    expect(button.textContent).toBe('MiniMax ▾');
    panel.content.model!.setMetadata('minimax', 'damaged');
    expect(button.textContent).toBe('MiniMax ▾');
  });

  it('shows how much of the window the conversation uses, as the kernel reports it', async () => {
    const panel = openNotebook(['%%minimax']);
    const button = await activate(panel, true);
    panel.schedule(0);
    const settings = { model: { shown: 'MiniMax-M2.7', source: 'default' } };
    panel.kernel.reply('mm_magics.document', { settings, context: '38 %' });
    expect(button.textContent).toBe('M2.7 · 38 % ▾');
    panel.kernel.reply('mm_magics.document', { settings, context: '' });
    expect(button.textContent).toBe('M2.7 ▾');
  });

  it('names the effective model, and follows the kernel', async () => {
    const panel = openNotebook(['%%minimax']);
    const button = await activate(panel, true);
    const receive = (shown: string, source: string): void => {
      panel.kernel.reply('mm_magics.document', { settings: { model: { shown, source } } });
    };
    panel.schedule(0);
    expect(button.textContent).toBe('MiniMax ▾');
    receive('MiniMax-M2.7', 'default');
    expect(button.textContent).toBe('M2.7 ▾');
    receive('minimax/minimax-m3', 'environment');
    expect(button.textContent).toBe('m3 ▾');
    panel.content.model!.setMetadata('minimax', { model: 'MiniMax-M2' });
    expect(button.textContent).toBe('M2 ▾');
    receive('MiniMax-M2.1', 'set in this kernel');
    expect(button.textContent).toBe('M2.1 ▾');
    expect(button.title).toContain('MiniMax-M2.1');
    receive('MiniMax-', 'set in this kernel');
    expect(button.textContent).toBe('MiniMax- ▾');
    panel.statusChanged.emit('restarting');
    panel.schedule(0);
    expect(button.textContent).toBe('M2 ▾');
  });

  it('tells the kernel at once what was chosen', async () => {
    const panel = openNotebook(['%%minimax']);
    await activate(panel, true);
    panel.schedule(0);
    enter('Thread', 'side');
    expect(panel.kernel.descriptions.at(-1)).toMatchObject({ settings: { thread: 'side' } });
  });

  it('is hidden until the notebook mentions MiniMax', async () => {
    const panel = openNotebook(['x = 1']);
    await activate(panel);
    expect(isShown(panel)).toBe(false);
    vi.useFakeTimers();
    panel.setSource(0, '%%minimax');
    vi.advanceTimersByTime(1000);
    vi.useRealTimers();
    expect(isShown(panel)).toBe(true);
  });

  it('is shown in a notebook with settings', async () => {
    const panel = openNotebook(['x = 1'], { metadata: { minimax: { top_p: 0.5 } } });
    await activate(panel);
    expect(isShown(panel)).toBe(true);
  });
});

describe('the panel', () => {
  it('writes valid settings to the metadata and keeps unknown keys', async () => {
    const panel = openNotebook(['%%minimax'], { metadata: { minimax: { later: 1 } } });
    await activate(panel);
    enter('Temperature', '0.4');
    enter('top_p', '9');
    expect(metadata(panel)).toEqual({ later: 1, temperature: 0.4 });
  });

  it('shows the flags of the selected cell', async () => {
    const panel = openNotebook([
      'x = 1',
      '%%time\n%%minimax -t 0.8 --model=mine --thread "two words" -s \'a\u202e\' --quiet\n--top-p 1',
      '# %%minimax -t 0.8',
    ]);
    await activate(panel);
    const shown = (): string[] => {
      const dialog = document.querySelector('.mm-picker-panel')!;
      dialog.dispatchEvent(Object.assign(new Event('beforetoggle'), { newState: 'open' }));
      return [...dialog.querySelectorAll('.mm-picker-hint')]
        .map(({ textContent }) => /^(.*), flag of the selected cell/.exec(textContent)?.[1] ?? '')
        .filter(Boolean);
    };
    expect(shown()).toEqual([]);
    panel.content.activeCellIndex = 1;
    expect(shown()).toEqual(['mine', '0.8', 'a[U+202E]', 'two words']);
    panel.content.activeCellIndex = 2;
    expect(shown()).toEqual([]);
  });

  it('removes the metadata with its last setting', async () => {
    const panel = openNotebook(['%%minimax'], { metadata: { minimax: { temperature: 0.4 } } });
    await activate(panel);
    document.querySelector<HTMLElement>('[aria-label="Reset Temperature"]')!.click();
    expect(panel.content.model!.metadata).not.toHaveProperty('minimax');
  });

  it('follows the metadata', async () => {
    const panel = openNotebook(['%%minimax']);
    await activate(panel);
    panel.content.model!.setMetadata('minimax', { max_tokens: 77 });
    const found = [...document.querySelectorAll('label')].find(
      ({ textContent }) => textContent === 'Max tokens',
    );
    expect((document.getElementById(found!.htmlFor) as HTMLInputElement).value).toBe('77');
  });

  it('is a dialog that belongs to the button, and takes no keys for shortcuts', async () => {
    const button = await activate(openNotebook(['%%minimax']));
    const panel = document.querySelector('.mm-picker-panel')!;
    expect(panel.getAttribute('role')).toBe('dialog');
    expect(panel.getAttribute('aria-label')).toBe('MiniMax in this notebook');
    expect(panel.getAttribute('data-lm-suppress-shortcuts')).toBe('true');
    expect(button.getAttribute('aria-haspopup')).toBe('dialog');
    expect(button.popoverTargetElement).toBe(panel);
  });

  it('shows the saved settings each time it opens', async () => {
    const panel = openNotebook(['%%minimax'], { metadata: { minimax: { temperature: 0.4 } } });
    await activate(panel);
    enter('Temperature', '9');
    const dialog = document.querySelector('.mm-picker-panel')!;
    dialog.dispatchEvent(Object.assign(new Event('beforetoggle'), { newState: 'open' }));
    const found = [...document.querySelectorAll('label')].find(
      ({ textContent }) => textContent === 'Temperature',
    );
    expect((document.getElementById(found!.htmlFor) as HTMLInputElement).value).toBe('0.4');
  });

  it('asks the kernel each time it opens, and shows the models and settings that it sends', async () => {
    const panel = openNotebook(['%%minimax']);
    const { app, tracker, registry } = fakeApp(panel);
    await kernelPlugin.activate(app, tracker);
    await toolbarPlugin.activate(app, registry, null);
    await settled();
    const dialog = document.querySelector('.mm-picker-panel')!;
    const open = (): void => {
      dialog.dispatchEvent(Object.assign(new Event('beforetoggle'), { newState: 'open' }));
    };
    open(); // no kernel with mm_magics is known yet
    expect(panel.kernel.descriptions).toEqual([]);
    panel.schedule(0);
    open();
    expect(panel.kernel.descriptions.at(-1)).toMatchObject({ wants_models: true });
    panel.kernel.reply('mm_magics.document', { models: ['MiniMax-M3', 'MiniMax-M9'] });
    dialog.querySelector<HTMLElement>('[role=combobox]')!.click();
    const options = [...dialog.querySelectorAll('[role=option]')].map((each) => each.textContent);
    expect(options.filter((text) => text.includes('MiniMax-M2.1 '))).toEqual([
      expect.stringContaining('not offered'),
    ]);
    expect(options.filter((text) => text.includes('MiniMax-M9'))).toHaveLength(1);
    const sent = panel.kernel.descriptions.length;
    open(); // a setting of the kernel may have changed
    expect(panel.kernel.descriptions).toHaveLength(sent + 1);
    panel.kernel.reply('mm_magics.document', {
      settings: { thread: { shown: 'side', source: 'set in this kernel' } },
    });
    const placeholders = [...dialog.querySelectorAll('input')].map((each) => each.placeholder);
    expect(placeholders).toContain('side, set in this kernel');
  });

  it('closes when Tab moves the focus out of it, and not within it', async () => {
    await activate(openNotebook(['%%minimax']));
    const dialog = document.querySelector<HTMLElement>('.mm-picker-panel')!;
    let closed = 0;
    dialog.hidePopover = () => {
      closed++;
    };
    const tabTo = async (target: HTMLElement): Promise<void> => {
      dialog.dispatchEvent(new KeyboardEvent('keydown', { key: 'Tab' }));
      target.focus();
      await settled();
    };
    await tabTo(dialog.querySelector('textarea')!);
    expect(closed).toBe(0);
    const outside = document.body.appendChild(document.createElement('button'));
    await tabTo(outside);
    expect(closed).toBe(1);
  });

  it('is removed with its notebook', async () => {
    const panel = openNotebook(['%%minimax']);
    await activate(panel);
    panel.toolbarItems[0]!.dispose();
    expect(document.querySelector('.mm-picker-panel')).toBeNull();
  });
});
