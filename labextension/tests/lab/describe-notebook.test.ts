// The cells of a notebook as the kernel receives them.
import type { ICodeCellModel } from '@jupyterlab/cells';
import { expect, it } from 'vitest';
import { NotebookDescriber } from '../../src/lab/describe-notebook';
import { openNotebook, turnOutput, turnRecord } from './fake-jupyterlab';

it('an output is reduced to the formats that a model reads, and a turn to its record and texts', () => {
  const record = turnRecord('Hello');
  const texts = { 'text/plain': 'p', 'text/markdown': 'm' };
  const read = { ...texts, 'text/html': 'h', 'image/png': 'AAAA', 'application/json': { a: 1 } };
  const data = {
    ...read,
    'application/javascript': 'x',
    'image/svg+xml': '<svg/>',
    'image/jpeg': 'A'.repeat(1_000_001),
  };
  const { content } = openNotebook([
    {
      source: 'x',
      outputs: [
        turnOutput(record, data),
        { output_type: 'execute_result', execution_count: 1, data, metadata: { a: 1 } },
      ],
    },
  ]);
  const { cell } = new NotebookDescriber().describe(content.model!).get('cell-0')!;
  expect(cell.outputs).toEqual([
    {
      output_type: 'display_data',
      data: { 'application/vnd.minimax.turn+json': record, ...texts },
    },
    { output_type: 'execute_result', data: read },
  ]);
});

it('streams and errors are complete', () => {
  const outputs = [
    { output_type: 'stream', name: 'stdout', text: 'printed\n' },
    { output_type: 'error', ename: 'E', evalue: 'v', traceback: ['t'] },
  ];
  const { content } = openNotebook([{ source: 'x', outputs }]);
  const { cell } = new NotebookDescriber().describe(content.model!).get('cell-0')!;
  expect(cell.outputs).toEqual(outputs);
});

it('cells are described in order, and again only after they changed', () => {
  const panel = openNotebook(['a', { source: 'b', type: 'markdown' }]);
  const describer = new NotebookDescriber();
  const first = describer.describe(panel.content.model!);
  expect([...first.keys()]).toEqual(['cell-0', 'cell-1']);
  panel.setSource(1, 'c');
  const second = describer.describe(panel.content.model!);
  expect(second.get('cell-0')).toBe(first.get('cell-0'));
  expect(second.get('cell-1')!.cell).toEqual({ cell_type: 'markdown', source: 'c', outputs: [] });
});

it('a stream that grows is described again', () => {
  const stream = (text: string): object => ({ output_type: 'stream', name: 'stdout', text });
  const { content } = openNotebook([{ source: 'x', outputs: [stream('one\n')] }]);
  const describer = new NotebookDescriber();
  describer.describe(content.model!);
  const { outputs } = content.model!.cells.get(0) as ICodeCellModel;
  outputs.add(stream('two\n') as never);
  const { cell } = describer.describe(content.model!).get('cell-0')!;
  expect(cell.outputs).toEqual([stream('one\ntwo\n')]);
});
