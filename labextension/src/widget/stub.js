// mm_magics: one turn's widget. It hands everything to the runtime, which one widget per kernel loads;
// messages that come before the runtime does are kept, because they are sent only once.
const slot = (globalThis[Symbol.for('mm_magics.runtime/1')] ??= (() => {
  const made = {};
  made.ready = new Promise((resolve) => (made.resolve = resolve));
  return made;
})());

export default () => {
  const early = [];
  const startedAt = performance.now();
  let receive = (content) => early.push(content);
  let turn;
  return {
    initialize({ model }) {
      model.on('msg:custom', (content) => receive(content));
      // Not awaited: anywidget gives up on a model that takes longer than two seconds.
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
