// What the extension does at an event in a notebook takes time linear in the number of its cells, and handling an event
// for each cell is linear as well: no event reads all cells again.
import { afterEach, expect, test, vi } from 'vitest';
import { AnswerPlaces } from '../../src/lab/answer-places';
import { ConversationChanges } from '../../src/lab/conversation-changes';
import { highlightPlugin } from '../../src/lab/highlight-prompts';
import { KeptAnswers } from '../../src/lab/kept-answers';
import { cellAt } from '../../src/lab/open-notebooks';
import { RunningCells } from '../../src/lab/running-cells';
import { TurnMarks } from '../../src/lab/turn-marks';
import { TURN_DRAWN } from '../../src/lab/mime-renderer';
import {
  fakeApp,
  openNotebook,
  settled,
  turnOutput,
  turnRecord,
  type FakePanel,
} from '../lab/fake-jupyterlab';

afterEach(() => {
  vi.restoreAllMocks();
  document.body.replaceChildren();
});

/** Open a notebook in which each cell has a turn. */
function open(size: number): FakePanel {
  return openNotebook(
    Array.from({ length: size }, (_, at) => ({
      source: '%%minimax\nq',
      outputs: [
        turnOutput(turnRecord('a', { id: `t${at}`, cell_id: `cell-${at}` }), { 'text/html': 'a' }),
      ],
    })),
  );
}

/** Count how often the source of a cell of the notebook is read, and its data copied. */
function countReads(panel: FakePanel): { sources: number; copies: number } {
  const counts = { sources: 0, copies: 0 };
  for (const { model } of panel.content.widgets) {
    const { sharedModel } = model;
    const getSource = sharedModel.getSource.bind(sharedModel);
    vi.spyOn(sharedModel, 'getSource').mockImplementation(() => {
      counts.sources++;
      return getSource();
    });
    const { outputs } = model as unknown as {
      outputs: { length: number; get: (at: number) => object };
    };
    for (let at = 0; at < outputs.length; at++) {
      const output = outputs.get(at);
      const prototype = Object.getPrototypeOf(output) as object;
      const property = Object.getOwnPropertyDescriptor(prototype, 'data')!;
      Object.defineProperty(output, 'data', {
        get() {
          counts.copies++;
          return property.get!.call(output) as unknown;
        },
      });
    }
  }
  return counts;
}

const SIZE = 40;

test('a new cell does not make all other cells be read', async () => {
  const panel = open(SIZE);
  const { app, tracker } = fakeApp(panel);
  void highlightPlugin.activate(app, tracker, null);
  new KeptAnswers(panel.asPanel);
  await settled();
  const counts = countReads(panel);
  for (let at = 0; at < 10; at++)
    panel.content.model!.sharedModel.insertCell(0, { cell_type: 'code', source: '%%minimax\nq' });
  await settled();
  expect(counts).toEqual({ sources: 0, copies: 0 });
});

test('no answer is copied to find out which turns there are', async () => {
  const panel = open(SIZE);
  const marks = new TurnMarks(panel.content);
  new AnswerPlaces(panel.asPanel);
  const changes = new ConversationChanges(
    panel.content.model!,
    () => undefined,
    () => undefined,
  );
  const counts = countReads(panel);
  changes.described([]);
  marks.update({});
  const request = await panel.run(0);
  const data = (turnOutput(turnRecord('b', { id: 'new', cell_id: 'cell-0' })) as { data: object })
    .data;
  panel.publish(request, 'display_data', { data });
  await settled();
  expect(counts.copies).toBe(0);
});

test('the cells are looked through once for the turns that are drawn', () => {
  const { content } = open(SIZE);
  const widgets = vi.spyOn(content, 'widgets', 'get');
  for (const { node } of [...content.widgets])
    expect(cellAt(content, node.firstElementChild!)?.node).toBe(node);
  expect(cellAt(content, document.body)).toBeUndefined();
  expect(widgets.mock.calls.length).toBeLessThan(5);
});

test('the cell of many turns is hashed once', async () => {
  const outputs = Array.from({ length: 50 }, (_, at) =>
    turnOutput(turnRecord('a', { id: `t${at}`, source_sha256: 'x' })),
  );
  const panel = openNotebook([{ source: '%%minimax\nq', outputs }]);
  new TurnMarks(panel.content);
  await settled();
  const counts = countReads(panel);
  const turn = document.createElement('div');
  panel.content.widgets[0]!.node.append(turn);
  let marked = 0;
  turn.addEventListener('mm-marked', () => marked++);
  for (let at = 0; at < 50; at++) turn.dispatchEvent(new Event(TURN_DRAWN, { bubbles: true }));
  expect(marked).toBe(50);
  expect(counts.sources).toBeLessThan(3);
});

test('whether a cell is still queued does not make a list of all queued cells', async () => {
  const panel = open(SIZE);
  new KeptAnswers(panel.asPanel);
  const running = RunningCells.of(panel.asPanel.sessionContext);
  const ids = vi.spyOn(running, 'ids', 'get');
  const requests: string[] = [];
  for (let at = 0; at < 10; at++) {
    running.scheduled(panel.content.widgets[at]!);
    requests.push(await panel.run(at));
  }
  for (const request of requests) panel.publish(request, 'status', { execution_state: 'idle' });
  expect(ids).not.toHaveBeenCalled();
});
