// Markdown that is hard to stream: in each document a later line changes the meaning of an earlier one.

export const DOCUMENTS: Record<string, string> = {
  plain:
    'Hello **world**, this is `code` and *more*.\n\nSecond paragraph with a [link](https://example.com/a).\n',
  headings: '# One\n\ntext\n## Two\nmore\nSetext\n===\n\nOther\n---\nend\n\n#nothing\n#',
  lists:
    '- a\n- b\n  - c\n    deep\n\n  - d\n- e\n\nafter\n\n1. one\n2. two\n\n3. three\n   ```python\n   x = 1\n   ```\n4. four\n\n* star\n\n**bold** start\n- [ ] todo\n- [x] done\n',
  table:
    'before\n| a | b |\n|---|:-:|\n| 1 | 2 |\n| 3 | `4` |\nlazy row\n\nafter\n|no|table|\n|-x|-|\nend',
  fences:
    'Code:\n```python\ndef f(x):\n    return x  # ``` not the end\n\n\nprint(f(1))\n```\nbetween\n~~~\ntilde ```\n~~~\n\n````md\n```js\nlet a;\n```\n````\n   ```\n   indented\n  ```\nend ``` x `y` z\n```unclosed info\nlast line\n\n',
  'fence closed at the end': 'a\n\n```js\nconst a = 1;\n```',
  'indented code': 'para\n\n    code one\n\n    code two\n  \nback\n\n\ttab\n',
  quotes: '> a\nlazy\n\n> b\n> - c\n>\n> d\n\nx\n> ```\n> code\n> ```\ny\n',
  math: 'Inline $a_1 * b_2 * c$ and **bold $x^*$ end** and \\(y\\).\n\n$$\n\\int_0^1 x_i \\, dx\n$$\n\nCosts $5 and $6.\n\\[\na_b\n\\]\ntext $$z^2$$ text\n\n$$ open\n\nmore `$x$` $\\bad{$ end\n\ntext\n$$\nnever closed\n',
  references:
    'See [one][1] and [two] here.\n\nPlain paragraph.\n\n- item [1]\n\n[1]: https://example.com/one\n[two]: https://example.com/two "Two"\n\nEnd [one][1].\n',
  html: '<details><summary>S</summary>\n\ntext\n\n</details>\n\n<div>\n*raw*\n</div>\n\nH<sub>2</sub>O<br>x <!-- comment\n\nstill --> y\n\n<script>\nalert(1)\n\n</script>\nend\n',
  rules: 'a\n\n---\n\nb\n***\nc\n- - -\n\n-\n--\n---\nd\n',
  'line ends': 'a\r\nb\r\n\r\n- c\r- d\r\n\r\n```\r\nx\r\n```\r\n',
  odd: '\n\n  \n  leading\n\n\n\n\\* not a list\n&amp; &lt; <\n![alt](https://example.com/i.png)\n\u202Eabc\u0000 \u{1F600}\u{1F468}\u200D\u{1F469} ~~gone~~ www.example.com https://example.com.\n\n![no](data:image/png;base64,AA)\n',
};
