// The server that the page talks to: REST requests and the kernel's WebSocket become messages of the test's protocol.
import { ServerConnection, type ServiceManager } from '@jupyterlab/services';
import { ServiceManager as RealServiceManager } from '@jupyterlab/services';

export type Message = Readonly<Record<string, unknown>>;

/** Sends one message to the test. */
export type Send = (message: Message) => void;

const sockets = new Map<number, KernelSocket>();
const waiting = new Map<number, (response: Response) => void>();
let count = 0;
let send: Send = () => undefined;

/** The kernel's WebSocket. The test is its other end. */
class KernelSocket {
  static readonly CONNECTING = 0;
  static readonly OPEN = 1;
  static readonly CLOSED = 3;
  readonly protocol = '';
  readonly number = ++count;
  binaryType = 'arraybuffer';
  readyState = KernelSocket.OPEN;
  onopen: (event: object) => void = () => undefined;
  onmessage: (event: object) => void = () => undefined;
  onclose: (event: object) => void = () => undefined;
  onerror: (event: object) => void = () => undefined;

  constructor(url: string) {
    sockets.set(this.number, this);
    send({ socket: this.number, opened: url });
    queueMicrotask(() => {
      this.onopen({});
    });
  }

  send(data: string): void {
    send({ socket: this.number, data });
  }

  close(): void {
    if (this.readyState === KernelSocket.CLOSED) return;
    this.readyState = KernelSocket.CLOSED;
    sockets.delete(this.number);
    send({ socket: this.number, closed: true });
  }
}

async function fetchFromTest(input: RequestInfo | URL): Promise<Response> {
  const request = input as Request;
  const number = ++count;
  const body = request.method === 'GET' ? '' : await request.text();
  return new Promise((resolve) => {
    waiting.set(number, resolve);
    send({ fetch: number, method: request.method, url: request.url, body });
  });
}

/** Deliver a message of the test: an answer to a REST request, or what the kernel or the server sends on a socket. */
export function deliver(message: Message): void {
  const { fetched, socket, data, status, body } = message;
  if (typeof fetched === 'number') {
    const empty = status === 204;
    waiting.get(fetched)?.(new Response(empty ? null : String(body), { status: Number(status) }));
    waiting.delete(fetched);
  } else if (typeof socket === 'number') {
    const found = sockets.get(socket);
    if (data !== undefined) found?.onmessage({ data });
    else {
      sockets.delete(socket);
      found?.onclose({});
    }
  }
}

/** Make JupyterLab's own managers of contents, sessions and kernels on this server. */
export function newServices(sender: Send): ServiceManager.IManager {
  send = sender;
  const serverSettings = ServerConnection.makeSettings({
    baseUrl: 'http://localhost/',
    wsUrl: 'ws://localhost/',
    fetch: fetchFromTest,
    WebSocket: KernelSocket as unknown as typeof WebSocket,
  });
  return new RealServiceManager({ serverSettings, standby: 'never' });
}
