// Renders the hostile corpus, whole and streamed in random pieces: nothing runs, is fetched, or hangs.
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { closedHtml, splitBlocks } from '../../src/renderer/markdown/split-blocks';
import { recordToOps } from '../../src/renderer/record-to-ops';
import { EMPTY, reduce, type TurnState } from '../../src/renderer/turn-state';
import { visible } from '../../src/renderer/visible-characters';
import { TurnView } from '../../src/renderer/turn-view';
import { BOMBS, CASES } from './hostile';
import { seeded, split } from '../seeded';

const MATHML = 'http://www.w3.org/1998/Math/MathML';
const ELEMENTS = new Set(
  (
    'div span p br hr h1 h2 h3 h4 h5 h6 ul ol li dl dt dd blockquote pre code em strong b i u s del ins sub sup ' +
    'kbd samp var mark small abbr q table caption thead tbody tfoot tr th td a details summary button'
  ).split(' '),
);
const ATTRIBUTES = new Set(
  (
    'class href title target rel role aria-label tabindex type open start reversed align colspan rowspan ' +
    'data-mm-src data-alt data-status style lang dir'
  ).split(' '),
);

let view: TurnView;

beforeEach(() => {
  document.body.replaceChildren();
  view = new TurnView(document.body);
});

afterEach(() => {
  view.dispose();
});

/** Return everything in the turn that is not allowed to be there. */
function dangers(): string[] {
  const found: string[] = [];
  for (const node of view.el.querySelectorAll('*')) {
    const math = node.namespaceURI === MATHML;
    if (!math && !ELEMENTS.has(node.localName)) found.push(`<${node.localName}>`);
    if (math && /^(annotation|maction|mglyph|malignmark)/.test(node.localName))
      found.push(node.localName);
    for (const { name, value } of node.attributes) {
      const own = `<${node.localName} ${name}=${value}>`;
      if (math ? /^on|href|src/.test(name) : !ATTRIBUTES.has(name)) found.push(own);
      if (name === 'style' && (!math || /url|position|expression|var\(/i.test(value)))
        found.push(own);
      if (name === 'class' && /jp-|lm-/.test(value)) found.push(own);
      if (name === 'href' && !/^(https?:|mailto:)/.test(value)) found.push(own);
      if (name === 'href' && node.getAttribute('title') !== value) found.push(own);
      if (name === 'href' && !node.getAttribute('rel')?.includes('noopener')) found.push(own);
      if (name === 'data-mm-src' && (node.localName !== 'button' || !/^https?:/.test(value)))
        found.push(own);
    }
  }
  // The texts of the view contain no such characters.
  if (visible(view.el.textContent) !== view.el.textContent) found.push('hidden characters');
  if ('hacked' in window) found.push('window.hacked');
  return found;
}

/** Return the ops of a turn with `text` in every place that a model, a tool or an endpoint controls. */
function opsEverywhere(text: string): unknown[] {
  return [
    ['state', { status: 'answering', model: text, notes: [text] }],
    ['open', 0, { type: 'thinking', signature: text }],
    ['add', 0, text],
    ['open', 1, { type: 'tool_use', id: text, name: text }],
    ['add', 1, text],
    ['close', 1, {}],
    ['open', 2, { type: 'tool_result', tool_use_id: text, is_error: true }],
    ['add', 2, text],
    ['close', 2, {}],
    ['open', 3, { type: 'tool_result', tool_use_id: 'of no call' }],
    ['add', 3, text],
    ['open', 4, { type: text, [text]: text }],
    ['close', 4, { block: { type: text, [text]: text } }],
    ['open', 5, { type: 'text' }],
    ['add', 5, text],
    ['state', { status: 'failed', error: text, stop_reason: text, cost: text }],
  ];
}

describe('in every place', () => {
  test.each(CASES)('%s', (_name, text) => {
    view.update(reduce(EMPTY, opsEverywhere(text)));
    view.flush();
    expect(dangers()).toEqual([]);
  });
});

describe('in a record from an untrusted file', () => {
  test.each(CASES)('%s', (_name, text) => {
    const block = { type: 'text', text };
    const record = {
      schema: 1,
      status: 'failed',
      model: text,
      error: text,
      messages: [
        {
          role: 'assistant',
          content: [block, { type: 'tool_use', id: text, name: text, input: text }],
        },
        {
          role: 'user',
          content: [{ type: 'tool_result', tool_use_id: text, content: [block, text] }],
        },
        { role: 'assistant', content: text },
      ],
      responses: [{ usage: { input_tokens: text, output_tokens: text }, stop_reason: text }],
    };
    view.update(reduce(EMPTY, recordToOps(record) ?? []));
    view.flush();
    expect(dangers()).toEqual([]);
  });
});

test.each(CASES)('streamed in random pieces: %s', (_name, text) => {
  const random = seeded(text.length);
  let state: TurnState = reduce(EMPTY, [['open', 0, { type: 'text' }]]);
  for (const piece of split(text, 60, random)) {
    state = reduce(state, [['add', 0, piece]]);
    view.update(state);
    view.flush();
    expect(dangers()).toEqual([]);
  }
  view.update(reduce(state, [['close', 0, { block: { type: 'text', text } }]]));
  view.flush();
  expect(dangers()).toEqual([]);
});

/** Each takes less than 1 s on an idle machine; a hang takes minutes. */
const LIMIT_MS = 6000;

test.each(BOMBS)('is rendered in time: %s', (_name, text) => {
  const started = performance.now();
  const { blocks, links } = splitBlocks(text, {});
  const html = blocks.map((block) => closedHtml(block, links, true)).join('');
  expect(performance.now() - started).toBeLessThan(LIMIT_MS);
  expect(html.length).toBeLessThan(25 * text.length + 10_000);
});
