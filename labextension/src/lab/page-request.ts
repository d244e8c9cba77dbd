// Sends requests to a kernel on its control channel, which it reads while a cell runs.
// They are `comm_info_request`s: JupyterLab takes any message of another type for a change of the kernel's status.
import { KernelMessage, type Kernel } from '@jupyterlab/services';
import type { JSONObject } from '@lumino/coreutils';
import { REQUEST_TARGET, type PageReply, type PageRequest } from '../protocol';
import { isRecord } from '../renderer/turn-state';

/** How long to wait for a reply. A kernel that lives replies within 50 ms, unless its code holds the GIL. */
const TIMEOUT_MS = 2_000;

const NOT_RECEIVED: PageReply = { received: false };

/** Send a request and return the reply, or null without one. A kernel without mm_magics has not received it. */
export async function requestOf(
  kernel: Kernel.IKernelConnection | null | undefined,
  request: PageRequest,
): Promise<PageReply | null> {
  if (!kernel || kernel.isDisposed) return null;
  const content = { target_name: REQUEST_TARGET, [REQUEST_TARGET]: request };
  const message = KernelMessage.createMessage<KernelMessage.ICommInfoRequestMsg>({
    channel: 'control' as 'shell',
    msgType: 'comm_info_request',
    session: kernel.clientId,
    username: kernel.username,
    content: content,
  });
  const timeout = new Promise<null>((resolve) => setTimeout(resolve, TIMEOUT_MS, null));
  try {
    const control = message as unknown as KernelMessage.IControlMessage;
    const reply = await Promise.race([
      kernel.sendControlMessage(control, true, true).done,
      timeout,
    ]);
    if (!reply) return null;
    const answer = (reply.content as JSONObject)[REQUEST_TARGET];
    return isRecord(answer) && answer['received'] === true
      ? (answer as unknown as PageReply)
      : NOT_RECEIVED;
  } catch (error) {
    console.debug('mm_magics: a request was not answered', error);
    return null;
  }
}
