// The chunk that highlights code and typesets formulas is loaded as a script of its own.
import { expect, test, vi } from 'vitest';
import { loadTypesetting } from '../../src/lab/load-typesetting';
import { typesetting } from '../../src/renderer/typesetting/typesetting';

vi.stubGlobal('__webpack_public_path__', 'http://host/static/');

/** Return the script that is being loaded. */
function script(): HTMLScriptElement {
  const found = document.head.querySelector('script');
  if (!found) throw new Error('no script');
  return found;
}

test('a file that could not be loaded is requested under another URL', async () => {
  const failed = loadTypesetting();
  const first = script();
  first.dispatchEvent(new Event('error'));
  await expect(failed).rejects.toThrow(`${first.src} could not be loaded`);
  const loaded = loadTypesetting();
  const second = script();
  expect(second.type).toBe('module');
  expect(second.src).toMatch('http://host/static/typesetting.js?');
  expect(second.src).not.toBe(first.src);
  await import('../../src/widget/typesetting');
  second.dispatchEvent(new Event('load'));
  expect(await loaded).toBe(typesetting);
  expect(document.head.querySelector('script')).toBeNull();
});
