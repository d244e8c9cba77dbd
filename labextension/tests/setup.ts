// The parts of a browser that JupyterLab uses and jsdom lacks.
import { vi } from 'vitest';
import { provideTypesetting } from '../src/renderer/markdown/typeset';
import { typesetting } from '../src/renderer/typesetting/typesetting';

class Observer {
  observe(): void {}
  unobserve(): void {}
  disconnect(): void {}
}

vi.stubGlobal('DragEvent', class extends Event {});
vi.stubGlobal('ResizeObserver', Observer);
vi.stubGlobal('IntersectionObserver', Observer);
vi.stubGlobal('matchMedia', () => ({
  matches: false,
  addEventListener() {},
  removeEventListener() {},
}));

// CodeMirror measures text.
Range.prototype.getClientRects = () => [] as unknown as DOMRectList;
Range.prototype.getBoundingClientRect = () => new DOMRect();

// As on a page on which the chunk has arrived.
provideTypesetting(typesetting);
