// The hostile corpus, which the Python tests use as well. The file documents the sources of its texts.
import { readFileSync } from 'node:fs';

interface Corpus {
  cases: Record<string, Record<string, string>>;
  bombs: Record<string, [string, number][]>;
}

const corpus = JSON.parse(readFileSync('../tests/hostile/corpus.json', 'utf8')) as Corpus;

export const CASES: [string, string][] = Object.entries(corpus.cases).flatMap(([kind, texts]) =>
  Object.entries(texts).map(([name, text]): [string, string] => [`${kind}: ${name}`, text]),
);

export const BOMBS: [string, string][] = Object.entries(corpus.bombs).map(([name, parts]) => [
  name,
  parts.map(([piece, times]) => piece.repeat(times)).join(''),
]);
