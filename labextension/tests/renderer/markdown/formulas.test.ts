import { describe, expect, test } from 'vitest';
import corpus from '../../../../tests/display/formulas.json';
import { toSafeNodes } from '../../../src/renderer/markdown/decorate-html';
import { isAllowed } from '../../../src/renderer/markdown/formulas';
import { toMathML } from '../../../src/renderer/typesetting/mathml';
import { toHtml } from '../../../src/renderer/markdown/markdown-to-html';
import { sanitize } from '../../../src/renderer/markdown/sanitize';

describe('formulas, as tests/display/test_formulas.py requires of saved answers', () => {
  test.each(corpus.ordinary)('%s is displayed', (tex) => {
    expect(isAllowed(tex)).toBe(true);
    const html = toMathML(tex, true);
    expect(html).toContain('<math');
    expect(html).not.toMatch(/merror|temml-error/);
  });

  test.each(Object.entries(corpus.hostile))('%s is shown as its source', (_name, tex) => {
    expect(isAllowed(tex)).toBe(false);
    expect(toMathML(tex, true)).toBeNull();
  });

  test.each(corpus.delimited as [string, [string, boolean][]][])('in %j', (source, expected) => {
    const nodes = sanitize(toHtml(source, {}, true));
    const found = [...nodes.querySelectorAll('[data-mm-math]')].map((each) => [
      each.textContent,
      each.getAttribute('data-mm-math') === 'block',
    ]);
    expect(found).toEqual(expected);
  });
});

test('nothing in a formula that is displayed can leave its box or load anything', () => {
  for (const tex of corpus.ordinary) {
    const root = toSafeNodes(
      `<span data-mm-math="block">${tex.replace(/[&<]/g, (c) => `&#${c.charCodeAt(0)};`)}</span>`,
      new Set(),
    );
    for (const node of root.querySelectorAll('math, math *')) {
      for (const { name, value } of node.attributes) {
        expect([name, /^(?:href|src|id|on\w+)$|:/.test(name)]).toEqual([name, false]);
        expect(value).not.toMatch(/url|position|-[1-9]\d*(?:\.\d+)?(?:em|px)/);
      }
    }
  }
});
