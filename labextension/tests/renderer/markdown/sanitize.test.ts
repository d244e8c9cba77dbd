// A small hostile corpus: nothing that a model writes can run, style or fetch anything in the document.
import { describe, expect, test } from 'vitest';
import { toSafeNodes, handleButtons } from '../../../src/renderer/markdown/decorate-html';
import { toHtml } from '../../../src/renderer/markdown/markdown-to-html';
import { IMAGE_SOURCE } from '../../../src/renderer/markdown/sanitize';

function show(markdown: string, requested = new Set<string>()): HTMLElement {
  const el = document.createElement('div');
  el.append(toSafeNodes(toHtml(markdown, {}, true), requested));
  return el;
}

const HOSTILE: Record<string, string> = {
  script: '<script>window.hit = 1</script>',
  'script in a paragraph': 'a <script>window.hit = 1</script> b',
  onerror: '<img src=x onerror="window.hit = 1">',
  'onerror in a Markdown image': '![a](x"onerror="window.hit=1)',
  'a handler on what is allowed': '<p onclick="window.hit=1" onmouseover=alert(1)>x</p>',
  'javascript link': '[x](javascript:window.hit=1)',
  'javascript link, disguised':
    '[x](&#106;avascript:alert(1)) <a href=" java\nscript:alert(1)">y</a>',
  'javascript reference': '[x][1]\n\n[1]: javascript:alert(1)',
  vbscript: '<a href="vbscript:x">x</a>',
  'data link': '[x](data:text/html;base64,PHNjcmlwdD4=)',
  'data image': '![x](data:image/svg+xml;base64,AAAA)',
  'relative link': '[x](/api/shutdown) [y](../tree) [z](//evil.example)',
  'svg onload':
    '<svg onload="window.hit=1"><script>alert(1)</script><a href="javascript:1">x</a></svg>',
  style: '<style>* { display: none }</style><p style="position:fixed;inset:0">x</p>',
  form: '<form action="https://evil.example"><input name=q><button>Go</button><textarea></textarea></form>',
  iframe: '<iframe src="https://evil.example" srcdoc="<script>1</script>"></iframe>',
  'object and embed': '<object data=x></object><embed src=x><applet code=x></applet>',
  'meta refresh': '<meta http-equiv="refresh" content="0;url=https://evil.example">',
  'base and link':
    '<base href="https://evil.example"><link rel=stylesheet href="https://evil.example/x.css">',
  media:
    '<video src="https://evil.example/v" poster="https://evil.example/p"></video><audio src=x></audio>',
  'mathml link':
    '<math><mtext><a href="javascript:1">x</a></mtext><maction actiontype="statusline" xlink:href="javascript:1">y</maction></math>',
  'mathml html annotation':
    '<math><annotation-xml encoding="text/html"><img src onerror=alert(1)></annotation-xml></math>',
  'mXSS through toMathML and style':
    '<math><mtext><table><mglyph><style><!--</style><img title="--&gt;&lt;img src=1 onerror=alert(1)&gt;">',
  'mXSS through svg': '<svg></p><style><a id="</style><img src=1 onerror=alert(1)>">',
  'mXSS through noscript': '<noscript><p title="</noscript><img src=x onerror=alert(1)>">',
  'mXSS through form nesting':
    '<form><math><mtext></form><form><mglyph><svg><mtext><style><path id="</style><img onerror=alert(1) src>">',
  template: '<template><img src=x onerror=alert(1)></template>',
  clobbering: '<img name=body id=head><a id=location name=cookie href="https://a.example">x</a>',
  'host classes': '<div class="jp-Cell mm-stop mm-load">x</div>',
  'forged image button': '<button class="mm-load" data-mm-src="javascript:1">x</button>',
  'LaTeX with links, images and styles':
    '$\\href{javascript:alert(1)}{x}$ $\\includegraphics{https://evil.example/x}$ $\\class{jp-x}{y}$ $\\style{position:fixed}{z}$',
  'LaTeX with HTML': '$\\text{<img src=x onerror=alert(1)>}$',
  'code with HTML': '```html\n<img src=x onerror=alert(1)><script>1</script>\n```',
  'a language with HTML': '```"><img/src=x/onerror=alert(1)>\nx\n```',
};

const MATHML = 'http://www.w3.org/1998/Math/MathML';
const FORBIDDEN =
  'script,style,form,input,textarea,select,iframe,object,embed,applet,meta,base,link,svg,video,audio,' +
  'template,noscript,annotation-xml,maction,mglyph,img[src],[id],[name],[srcset],[srcdoc],[poster],[action]';

describe.each(Object.entries(HOSTILE))('%s', (_name, markdown) => {
  test('is sanitized', () => {
    const el = show(markdown);
    document.body.replaceChildren(el);
    expect(el.querySelectorAll(FORBIDDEN).length).toBe(0);
    for (const node of el.querySelectorAll('*')) {
      for (const { name, value } of node.attributes) {
        expect(name).not.toMatch(/^on|^xlink|^srcdoc$/i);
        if (name === 'href') expect(value).toMatch(/^(https?:|mailto:)/);
        if (name === 'style') expect(node.namespaceURI).toBe(MATHML);
        if (name === 'style') expect(value).not.toMatch(/position|url/);
        if (name === 'class') expect(value).not.toMatch(/jp-|mm-stop/);
      }
    }
    expect('hit' in window).toBe(false);
  });
});

test('a link shows its target and opens in a new tab', () => {
  const link = show('[safe](https://example.com/a?b "a title")').querySelector('a')!;
  expect(link.rel).toBe('noopener noreferrer nofollow');
  expect(link.target).toBe('_blank');
  expect(link.title).toBe('https://example.com/a?b');
});

test('a link to a look-alike host shows the real host name', () => {
  expect(show('[x](https://\u0430pple.com)').querySelector('a')?.title).toContain('xn--');
});

test('an image is fetched only after a click, and remains after another rendering', () => {
  const requested = new Set<string>();
  const el = show('![a cat](https://img.example/cat.png)', requested);
  handleButtons(el, requested);
  const button = el.querySelector('button')!;
  expect(button.textContent).toBe('Load image from img.example: a cat');
  expect(el.querySelector('img')).toBeNull();
  button.click();
  expect(el.querySelector('img')?.getAttribute('src')).toBe('https://img.example/cat.png');
  expect(el.querySelector('img')?.alt).toBe('a cat');
  // It is still shown after another rendering.
  expect(
    show('![a cat](https://img.example/cat.png)', requested).querySelector('img'),
  ).not.toBeNull();
});

test('a forged image address is not loaded', () => {
  const el = show(`<img alt=x ${IMAGE_SOURCE}="https://evil.example/x.png">`);
  expect(el.querySelector('button')).toBeNull();
});

test('GFM is kept', () => {
  const el = show('| a |\n|--:|\n| ~~b~~ |\n\n- [x] done\n- [ ] open\n\nH<sub>2</sub>O');
  expect(el.querySelector('td')?.getAttribute('align')).toBe('right');
  expect(el.querySelector('del')?.textContent).toBe('b');
  expect(
    [...el.querySelectorAll('[role=img]')].map((box) => box.getAttribute('aria-label')),
  ).toEqual(['done', 'not done']);
  expect(el.querySelector('sub')?.textContent).toBe('2');
});

test.each([
  'A vector<T> of Map<String, List<T>>.',
  '<minimax:tool_call><invoke name="wipe"><parameter name="what">a</parameter></invoke></minimax:tool_call>',
  '<invoke name="wipe">\n<parameter name="what">a</parameter>\n</invoke>',
  'The element <xs:element name="a"> and <std::string>.',
  '<my-element>x</my-element>',
])('what looks like a tag but is not HTML is shown as text: %s', (source) => {
  expect(show(source).textContent.trim()).toBe(source);
});

test('the address of a link in angle brackets is shown without them', () => {
  const el = show('<https://example.org> and <me@example.org>');
  expect(el.textContent.trim()).toBe('https://example.org and me@example.org');
  expect(el.querySelectorAll('a')).toHaveLength(2);
});
