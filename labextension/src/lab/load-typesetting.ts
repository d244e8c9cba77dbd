// Loads the chunk that highlights code and typesets formulas. It is a file of this extension that the bundler does not know,
// because the kernel sends the same file to pages without the extension.
import type { Typesetting } from '../renderer/markdown/typeset';
import { slot } from '../widget/slot';

/** The URL of the folder of this extension's files, with a slash at the end. The bundler defines it. */
declare const __webpack_public_path__: string;

let attempts = 0;

/** Load the chunk. It is rejected if the file cannot be loaded. */
export async function loadTypesetting(): Promise<Typesetting> {
  const script = document.createElement('script');
  script.type = 'module';
  // A browser does not load a URL again after a failure.
  script.src = `${__webpack_public_path__}typesetting.js?attempt=${++attempts}`;
  await new Promise((resolve, reject) => {
    script.onload = resolve;
    script.onerror = () => {
      reject(new Error(`${script.src} could not be loaded`));
    };
    document.head.append(script);
  }).finally(() => {
    script.remove();
  });
  return slot<Typesetting>('mm_magics.typesetting/1').ready;
}
