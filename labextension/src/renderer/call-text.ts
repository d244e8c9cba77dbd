// The text of a tool call for turns that the kernel does not describe: those that stream or are saved.
// It is the twin of mm_magics/tools/call_text.py; tests/display/call_text.json has the cases of both.
import type { ShownPart } from '../protocol';
import { isRecord } from './turn-state';

const CODE_ARGUMENTS = new Map([
  ['code', 'python'],
  ['source', 'python'],
  ['command', 'bash'],
  ['sql', 'sql'],
]);
const FILE_LANGUAGES = new Map([
  ['py', 'python'],
  ['sh', 'bash'],
  ['json', 'json'],
  ['sql', 'sql'],
  ['yaml', 'yaml'],
  ['yml', 'yaml'],
  ['js', 'javascript'],
  ['ts', 'typescript'],
  ['html', 'xml'],
  ['css', 'css'],
  ['r', 'r'],
]);
const MAX_BLANKS = 80;
const MAX_EMPTY_LINES = 10;
const MAX_MARKS = 2;
const BLANKS = new RegExp(`[ \\t]{${MAX_BLANKS + 1},}`, 'g');
const EMPTY_LINES = new RegExp(`(?<=\\n)(?:[ \\t]*\\n){${MAX_EMPTY_LINES + 1},}`, 'g');
const PLAIN = /^[\n\t -~]*$/;
const NUMBER_OR_TEXT = /"(?:[^"\\]|\\.)*"|-?\d[\d.eE+-]*/g;
const LOOKS_EMPTY = new Set(
  '\u034f\u115f\u1160\u17b4\u17b5\u180b\u180c\u180d\u180f\u2800\u2d7f\u3164\uffa0\ufffc' +
    '\u{13441}\u{13442}\u{16fe4}\u{1107f}\u{1d159}',
);

/**
 * Return the parts in which a call is shown, or null if it cannot be read.
 * `exact` is the JSON text of its block, if the numbers or the names of `input` are not exact on this page.
 */
export function callParts(name: unknown, input: unknown, exact: string | null): ShownPart[] | null {
  try {
    const mark = Math.random().toString(36);
    const values = exact === null ? input : exactInput(exact, mark);
    if (!isRecord(values)) return null;
    const all = Object.entries(values).sort(([a], [b]) => (a < b ? -1 : 1));
    const code = all.filter(([argument, value]) => isCode(name, argument, value, mark));
    const rest = all.filter(([argument, value]) => !isCode(name, argument, value, mark));
    const parts = code.map(([argument, value]) =>
      shownPart(argument, languageOf(name, argument, values['path']), value as string),
    );
    if (rest.length === 0 && parts.length > 0) return parts;
    return [shownPart('arguments', 'json', jsonText(Object.fromEntries(rest), mark)), ...parts];
  } catch {
    return null;
  }
}

function shownPart(label: string, language: string, text: string): ShownPart {
  const lines = text.split('\n').length;
  const size = `${counted(lines, 'line')}, ${counted(Array.from(text).length, 'character')}`;
  return { label: visibleText(label), language, text: visibleText(text), size };
}

function isCode(tool: unknown, argument: string, value: unknown, mark: string): boolean {
  if (typeof value !== 'string' || value.startsWith(mark)) return false;
  const isFile = tool === 'write_file' && argument === 'text';
  return CODE_ARGUMENTS.has(argument) || value.includes('\n') || isFile;
}

function languageOf(tool: unknown, argument: string, path: unknown): string {
  if (tool !== 'write_file' || argument !== 'text') return CODE_ARGUMENTS.get(argument) ?? '';
  const ending = typeof path === 'string' ? path.slice(path.lastIndexOf('.') + 1) : '';
  return FILE_LANGUAGES.get(ending.toLowerCase()) ?? '';
}

/** Return the input of the block with its numbers as texts that start with `mark`: JavaScript rounds large ones. */
function exactInput(exact: string, mark: string): unknown {
  const marked = exact.replace(NUMBER_OR_TEXT, (token) =>
    token.startsWith('"') ? token : `"${mark}${token}"`,
  );
  const block: unknown = JSON.parse(marked);
  return isRecord(block) ? block['input'] : null;
}

/** Return a value as indented JSON with sorted names. */
function jsonText(value: unknown, mark: string, indent = ''): string {
  const inner = `${indent}  `;
  const join = (open: string, items: string[], close: string): string =>
    items.length === 0
      ? open + close
      : `${open}\n${items.map((item) => inner + item).join(',\n')}\n${indent}${close}`;
  if (Array.isArray(value))
    return join(
      '[',
      value.map((each) => jsonText(each, mark, inner)),
      ']',
    );
  if (isRecord(value)) {
    const entries = Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1));
    const items = entries.map(
      ([k, each]) => `${JSON.stringify(k)}: ${jsonText(each, mark, inner)}`,
    );
    return join('{', items, '}');
  }
  if (typeof value === 'string' && value.startsWith(mark)) return value.slice(mark.length);
  return JSON.stringify(value);
}

/** Return the text such that a reader sees each character of it, or its name. */
export function visibleText(text: string): string {
  const named = PLAIN.test(text) ? text : nameInvisible(text);
  return named
    .replace(BLANKS, (blanks) => `[${inThousands(blanks.length)} blanks]`)
    .replace(
      EMPTY_LINES,
      (lines) => `[${inThousands(lines.split('\n').length - 1)} empty lines]\n`,
    );
}

function nameInvisible(text: string): string {
  let marks = 0;
  return Array.from(text, (char) => {
    if (PLAIN.test(char)) {
      marks = 0;
      return char;
    }
    marks = /[\p{Mn}\p{Me}]/u.test(char) ? marks + 1 : 0;
    const code = char.codePointAt(0) ?? 0;
    if (code < 0x20) return String.fromCharCode(0x2400 + code);
    if (code === 0x7f) return '\u2421';
    const isSelector = (code >= 0xfe00 && code <= 0xfe0f) || (code >= 0xe0100 && code <= 0xe01ef);
    const isHidden = /[\p{C}\p{Z}]/u.test(char) || LOOKS_EMPTY.has(char) || isSelector;
    if (!isHidden && marks <= MAX_MARKS) return char;
    return `[U+${code.toString(16).toUpperCase().padStart(4, '0')}]`;
  }).join('');
}

function counted(number: number, noun: string): string {
  return `${inThousands(number)} ${noun}${number === 1 ? '' : 's'}`;
}

function inThousands(number: number): string {
  return number.toLocaleString('en');
}
