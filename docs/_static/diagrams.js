// Draws the Mermaid diagrams in the colors of the page, again whenever the theme changes.
const diagrams = [...document.querySelectorAll('pre.mermaid')].map((element) => ({ element, source: element.textContent }));

function isDark() {
  const theme = document.body.dataset.theme;
  return theme === 'dark' || (theme !== 'light' && matchMedia('(prefers-color-scheme: dark)').matches);
}

async function draw() {
  mermaid.initialize({ startOnLoad: false, theme: isDark() ? 'dark' : 'neutral' });
  for (const { element, source } of diagrams) {
    element.textContent = source;
    delete element.dataset.processed;
  }
  await mermaid.run({ nodes: diagrams.map(({ element }) => element) });
}

if (diagrams.length) {
  draw();
  new MutationObserver(draw).observe(document.body, { attributeFilter: ['data-theme'] });
  matchMedia('(prefers-color-scheme: dark)').addEventListener('change', draw);
}
