// An answer as plain text: what a reader sees, without the marks of Markdown.
import { expect, it } from 'vitest';
import { plainText } from '../../src/renderer/answer-text';

it.each([
  ['paragraphs', 'One\ntwo.\n\nThree.', 'One two.\n\nThree.'],
  ['a line break', 'One  \ntwo.', 'One\ntwo.'],
  ['emphasis and links', '**a** *b* ~~c~~ [d](https://e.org) `f  g`', 'a b c d f  g'],
  ['headings', '# A\nb\n## C', 'A\n\nb\n\nC'],
  ['a list', '- a\n- b', '- a\n- b'],
  ['a list that starts at 3', '3. a\n4. b', '3. a\n4. b'],
  ['nested lists', '- a\n  1. b\n  2. c\n- d', '- a\n  1. b\n  2. c\n- d'],
  ['a list of paragraphs', '1. a\n\n   b\n\n2. c', '1. a\n   b\n2. c'],
  ['tasks', '- [x] a\n- [ ] b', '☑ a\n☐ b'],
  ['code', '```python\nif x:\n    y\n```', 'if x:\n    y'],
  ['code in a list', '- a\n\n  ```\n  b\n    c\n  ```', '- a\n  b\n    c'],
  ['a table', '| a | b |\n| - | - |\n| 1 | **2** |', 'a\tb\n1\t2'],
  ['a quote', '> a\n>\n> b', 'a\n\nb'],
  ['a formula', 'So $a_1 < b$:\n\n$$\nx^2\n$$', 'So a_1 < b:\n\nx^2'],
  ['an image', '![a picture](https://e.org/p.png)', 'a picture'],
  ['HTML', 'a <b>b</b><script>c</script> &lt;d&gt;', 'a b<script>c</script> <d>'],
  ['hidden characters', 'a\u202eb', 'a[U+202E]b'],
  ['nothing', '', ''],
])('%s', (_name, markdown, text) => {
  expect(plainText(markdown)).toBe(text);
});
