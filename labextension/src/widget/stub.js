// mm_magics: the widget of one turn. It passes everything to the runtime, which one widget per kernel loads.
// Messages that arrive before the runtime are stored, because the kernel sends them only once.
const slot = (globalThis[Symbol.for('mm_magics.runtime/1')] ??= (() => {
  const created = {};
  created.ready = new Promise((resolve) => (created.resolve = resolve));
  return created;
})());

export default () => {
  const early = [];
  const startedAt = performance.now();
  let receive = (content) => early.push(content);
  let turn;
  return {
    initialize({ model }) {
      model.on('msg:custom', (content) => receive(content));
      // Not awaited: anywidget gives up on a model that is not ready within two seconds.
      turn = slot.ready.then((runtime) => {
        const opened = runtime.open({ send: (content) => model.send(content), startedAt });
        for (const content of early) opened.receive(content);
        receive = opened.receive;
        return opened;
      });
      return () => turn.then((opened) => opened.close());
    },
    async render({ el }) {
      return (await turn).render(el);
    },
  };
};
