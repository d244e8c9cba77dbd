// Makes the output of a turn from its record, as mm_magics/display/mime_bundle.py does: the record, and the answer as
// sanitized HTML, as Markdown that loads nothing, and as text. It is used where the page changes which version is active,
// with or without a kernel, and where it saves a turn that is not complete.
import type { JSONObject } from '@lumino/coreutils';
import { MIME_TYPE } from '../protocol';
import { element } from '../renderer/element';
import { toHtml } from '../renderer/markdown/markdown-to-html';
import { decoded, isAllowed, mayTypesetMore } from '../renderer/markdown/formulas';
import { MATH_ATTRIBUTE } from '../renderer/markdown/math';
import { IMAGE_SOURCE, sanitize } from '../renderer/markdown/sanitize';
import { splitThinking, withoutThinking } from '../renderer/dialect';
import { recordToOps } from '../renderer/record-to-ops';
import { t } from '../renderer/strings';
import {
  EMPTY,
  isRecord,
  reduce,
  type Block,
  type TurnFields,
  type TurnState,
} from '../renderer/turn-state';
import { comparedVersions } from '../renderer/versions';
import { callParts } from '../renderer/call-text';
import { visible } from '../renderer/visible-characters';
import { notesIn, summaryParts } from '../renderer/views/footer';
import { imageElement, resultImages } from '../renderer/views/image-view';

/** The limits of mime_bundle.py, in characters and bytes. */
const PLAIN_LIMIT = 1_500;
const SIZE_FACTOR = 4;
const SIZE_EXTRA = 3_200;
const SIZE_CALL = 1_000;
const MAX_FORMULAS = 2_000;
const STRUCTURED_ANSWER = 'final_answer';
/** Longer text, in characters, is not rendered. */
const MAX_RENDERED = 200_000;

/** What a viewer of Markdown may load without a click, as in safe_markdown.py. */
const LOADING_TAGS =
  '(?:applet|audio|base|bgsound|body|embed|form|frame|frameset|iframe|image|img|input|link|math|meta|object|picture' +
  '|portal|script|source|style|svg|template|track|video)\\b';
const ACTIVE_ATTRIBUTES =
  '[a-z][^<>]*[\\s/"\'](?:(?:xlink:)?href|action|style|background|poster|src|srcset|on[a-z]+)\\s*=';
/** A link that runs or contains something, once entities are decoded. */
const ACTING_LINK = /(?:\][(:]|<)\s*(?:<\s*)?(?:javascript|vbscript|data)\s*\\?:/i;
const DELIMITER = /(\$|\\(?=[()[\]$\\]|begin|(?:eq)?ref))/;
const UNSAFE = new RegExp(`!\\[|<(?=${LOADING_TAGS}|${ACTIVE_ATTRIBUTES})`, 'i');

/** Return the MIME bundle of a record, or null if the record cannot be read. */
export function makeBundle(record: Readonly<Record<string, unknown>>): JSONObject | null {
  const ops = recordToOps(record);
  if (!ops) return null;
  const state = reduce(EMPTY, ops);
  const answers = state.parts.length > 0 ? state.parts : [state];
  const join = (write: (answer: TurnState) => string, title: (text: string) => string): string =>
    answers.map((each) => joined(title(titleOf(each)), write(each))).join('\n\n');
  const bold = (title: string): string => title && `**${safeMarkdown(title)}**`;
  const line = (title: string): string => title && `── ${title} ──`;
  const bundle: Record<string, unknown> = {
    [MIME_TYPE]: record,
    'text/html': page(
      answers.flatMap((each) => answerElements(each, each.blocks.flatMap(blockElements))),
    ),
    'text/markdown': join((each) => markdownOf(each), bold),
    'text/plain': join(plainOf, line),
  };
  if (!fits(bundle, record)) bundle['text/markdown'] = join((each) => markdownOf(each, cut), bold);
  if (!fits(bundle, record)) {
    const short = (each: TurnState): HTMLElement[] => [
      folded(t('saved.answer'), textOf(each.blocks)),
    ];
    bundle['text/html'] = page(answers.flatMap((each) => answerElements(each, short(each))));
  }
  return bundle as JSONObject;
}

function joined(...parts: readonly string[]): string {
  return parts.filter(Boolean).join('\n\n');
}

function markdownOf({ blocks, fields }: TurnState, shorten = (text: string) => text): string {
  return withNotes(shorten(safeMarkdown(textOf(blocks))), shownNotes(fields));
}

function plainOf({ blocks, fields }: TurnState): string {
  return [cut(visible(textOf(blocks) || summary(fields))), ...shownNotes(fields)].join('\n');
}

/** Return the title of one of several answers, as mm_magics/display/verdict.py does. */
function titleOf({ fields: { active, version, model } }: TurnState): string {
  if (active === undefined) return '';
  return `Version ${version ?? 0}: ${visible(String(model))}${active ? ' (active)' : ''}`;
}

/** Return an answer with its footer; one of several is in a section of its own. */
function answerElements(state: TurnState, content: readonly HTMLElement[]): HTMLElement[] {
  const title = titleOf(state);
  const all = [...content, footerElement(state.fields)];
  return title
    ? [element('section', '', element('p', '', element('strong', '', title)), ...all)]
    : all;
}

/** Return the answer of a record as the model wrote it, without thinking, or null if the record cannot be read. */
export function answerText(record: Readonly<Record<string, unknown>>): string | null {
  const ops = recordToOps({ ...record, undecided: false });
  return ops && textOf(reduce(EMPTY, ops).blocks);
}

/** Return a prompt as a quote and the answer below it, as Markdown that loads nothing. */
export function turnAsMarkdown(record: Readonly<Record<string, unknown>>, prompt: string): string {
  const { blocks, fields } = reduce(EMPTY, recordToOps({ ...record, undecided: false }));
  const quote = safeMarkdown(prompt)
    .split('\n')
    .map((line) => `> ${line}`.trimEnd());
  const answer = withNotes(safeMarkdown(textOf(blocks)), shownNotes(fields));
  return `${quote.join('\n')}\n\n${answer}\n`;
}

function shownNotes(fields: TurnFields): string[] {
  const error = typeof fields.error === 'string' && fields.error ? [fields.error] : [];
  return [...notesIn(fields), ...error].map(visible);
}

function textOf(blocks: readonly Block[]): string {
  const texts = blocks
    .filter(({ head }) => head.type === 'text')
    .map(({ text }) => withoutThinking(text));
  const text = texts.filter((each) => each.trim()).join('\n\n');
  const structured = blocks.findLast(({ head }) => head['name'] === STRUCTURED_ANSWER);
  return text || (structured ? JSON.stringify(structured.head['input'], null, 2) : '');
}

/** Return Markdown with notes below it, in a code block, where no character has a meaning. */
function withNotes(answer: string, notes: readonly string[]): string {
  return [answer, ...(notes.length > 0 ? [fenced(notes.join('\n'))] : [])]
    .filter(Boolean)
    .join('\n\n');
}

function page(parts: readonly HTMLElement[]): string {
  const box = element('div', 'mm-saved');
  for (const part of parts) box.append(part);
  box.style.overflowY = 'hidden'; // also makes what is too wide scroll
  breakDelimiters(box);
  return box.outerHTML;
}

function blockElements(block: Block): HTMLElement[] {
  const reasoning = block.reasoning ? [folded(t('thinking.closed.untimed'), block.reasoning)] : [];
  if (block.head.type !== 'text') return [...reasoning, blockElement(block)];
  const parts = splitThinking(block.text).map(({ kind, text }) =>
    kind === 'text' ? textElement(text) : folded(t('thinking.closed.untimed'), text),
  );
  return [...reasoning, ...parts];
}

function blockElement(block: Block): HTMLElement {
  const { head, text, seconds, exact } = block;
  switch (head.type) {
    case 'image':
      return element('p', '', imageElement(head));
    case 'thinking':
      return folded(
        seconds === null
          ? t('thinking.closed.untimed')
          : t('thinking.closed', { time: `${seconds.toFixed(1)} s` }),
        text,
      );
    case 'redacted_thinking':
      return folded(t('thinking.redacted'), '');
    case 'tool_use':
      return folded(
        `${t('tool.call')}: ${typeof head['name'] === 'string' ? head['name'] : ''}`,
        callParts(head['name'], isCut(head, text) ? null : head['input'], exact)
          ?.map((part) => part.text)
          .join('\n') ?? text,
      );
    case 'tool_result':
      return withImages(folded(t('tool.result'), text), resultImages(block));
    default:
      return folded(t('block.unknown', { type: head.type }), JSON.stringify(head, null, 1));
  }
}

/** Return whether only a part of the arguments of a call was received. */
function isCut(head: Block['head'], text: string): boolean {
  return text !== '' && Object.keys(head['input'] ?? {}).length === 0;
}

/** Return Markdown as HTML. Formulas stay LaTeX for MathJax, and images become links: nothing loads without a click. */
function textElement(text: string): HTMLElement {
  if (text.length > MAX_RENDERED) return element('pre', '', visible(text));
  const nodes = sanitize(toHtml(visible(text), {}, false));
  for (const math of nodes.querySelectorAll(`[${MATH_ATTRIBUTE}]`)) {
    const tex = math.textContent;
    const [open, close] = math.getAttribute(MATH_ATTRIBUTE) === 'block' ? '[]' : '()';
    const formula = isAllowed(tex) ? element('var', 'mm-formula') : element('code', '');
    formula.textContent = isAllowed(tex) ? `\\${open}${tex}\\${close}` : tex;
    math.replaceWith(formula);
  }
  for (const image of nodes.querySelectorAll('img')) {
    const name = `image: ${image.alt || (image.getAttribute(IMAGE_SOURCE) ?? '')}`;
    const link = element('a', '', name);
    link.setAttribute('href', image.getAttribute(IMAGE_SOURCE) ?? '');
    link.setAttribute('rel', 'noopener noreferrer');
    image.replaceWith(image.hasAttribute(IMAGE_SOURCE) ? link : name);
  }
  for (const node of nodes.querySelectorAll('[data-mm-lang]')) node.removeAttribute('data-mm-lang');
  const div = document.createElement('div');
  div.append(nodes);
  return div;
}

/** Put each delimiter of MathJax outside code and our own formulas into an element of its own, where it is ignored. */
function breakDelimiters(box: HTMLElement): void {
  const texts = document.createTreeWalker(box, NodeFilter.SHOW_TEXT);
  const found: Text[] = [];
  while (texts.nextNode()) {
    const text = texts.currentNode as Text;
    if (DELIMITER.test(text.data) && !text.parentElement?.closest('pre, code, .mm-formula'))
      found.push(text);
  }
  for (const text of found) {
    const parts = document.createDocumentFragment();
    for (const [index, part] of text.data.split(DELIMITER).entries())
      parts.append(index % 2 ? element('span', '', part) : part);
    text.replaceWith(parts);
  }
}

function folded(title: string, text: string): HTMLDetailsElement {
  const summaryElement = document.createElement('summary');
  summaryElement.textContent = visible(title);
  const pre = document.createElement('pre');
  pre.textContent = visible(text);
  const details = document.createElement('details');
  details.append(summaryElement, ...(text ? [pre] : []));
  return details;
}

/** Show the images of a result below its text, unfolded. */
function withImages(details: HTMLDetailsElement, images: readonly HTMLElement[]): HTMLElement {
  for (const image of images) details.append(image);
  details.open = images.length > 0;
  return details;
}

function summary(fields: TurnFields): string {
  return summaryParts(fields).join(' · ');
}

function footerElement(fields: TurnFields): HTMLElement {
  const footer = document.createElement('footer');
  for (const line of [summary(fields), ...notesIn(fields).map(visible)]) {
    if (footer.hasChildNodes()) footer.append(document.createElement('br'));
    footer.append(line);
  }
  if (typeof fields.error === 'string' && fields.error) {
    const error = document.createElement('strong');
    error.textContent = visible(fields.error);
    footer.append(document.createElement('br'), error);
  }
  return footer;
}

/** Return Markdown that loads nothing and typesets only allowed formulas. If it would do more, it is shown as source. */
function safeMarkdown(text: string): string {
  const shown = visible(text);
  const formulas = shown.split(/\$|\\[([]/).length - 1;
  if (
    formulas <= MAX_FORMULAS &&
    !UNSAFE.test(shown) &&
    !ACTING_LINK.test(decoded(shown)) &&
    !mayTypesetMore(shown)
  )
    return shown;
  return fenced(shown);
}

/** Return the text as a Markdown code block. */
function fenced(text: string): string {
  let longest = 2;
  for (const [run] of text.matchAll(/`+/g)) longest = Math.max(longest, run.length);
  const marks = '`'.repeat(longest + 1);
  return `${marks}\n${text}\n${marks}`;
}

function cut(text: string): string {
  if (text.length <= PLAIN_LIMIT) return text;
  const rest = (text.length - PLAIN_LIMIT).toLocaleString('en');
  return `${text.slice(0, PLAIN_LIMIT)}\n… [${rest} more characters in the cell's other formats]`;
}

function fits(bundle: Record<string, unknown>, record: Readonly<Record<string, unknown>>): boolean {
  const versions = Array.isArray(record['versions']) ? record['versions'].filter(isRecord) : [];
  const turns = [record, ...versions];
  const calls = turns.map(({ responses }) => (Array.isArray(responses) ? responses.length : 0));
  const more = Math.max(0, comparedVersions(record).size - 1);
  const limit =
    SIZE_FACTOR * turns.reduce((sum, turn) => sum + textSize(turn), 0) +
    SIZE_EXTRA +
    SIZE_CALL * (calls.reduce((sum, count) => sum + Math.max(1, count), 0) - 1 + more);
  return bytes(JSON.stringify(bundle)) <= limit;
}

/** Return the size of all text of the turn, including thinking and tools. */
function textSize({ messages }: Readonly<Record<string, unknown>>): number {
  const found = Array.isArray(messages) ? messages.filter(isRecord) : [];
  return found
    .flatMap(({ content }) => (Array.isArray(content) ? content.filter(isRecord) : [content]))
    .flatMap((block) =>
      isRecord(block)
        ? ['text', 'thinking', 'input', 'content', 'source'].map((name) => block[name])
        : [block],
    )
    .filter((value) => value !== undefined)
    .reduce(
      (sum: number, value) =>
        sum + bytes(typeof value === 'string' ? value : JSON.stringify(value)),
      0,
    );
}

function bytes(text: string): number {
  return new TextEncoder().encode(text).length;
}
