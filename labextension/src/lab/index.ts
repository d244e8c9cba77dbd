// The extension for JupyterLab and Notebook 7: five plugins, each of which can be disabled on its own.
// Notebooks work without any of them, with fewer conveniences.
import type { JupyterFrontEndPlugin } from '@jupyterlab/application';
import { commandsPlugin } from './commands';
import { highlightPlugin } from './highlight-prompts';
import { kernelPlugin } from './kernel-plugin';
import { rendererPlugin } from './mime-renderer';
import { toolbarPlugin } from './settings-button';

const plugins: JupyterFrontEndPlugin<void>[] = [
  rendererPlugin,
  highlightPlugin,
  kernelPlugin,
  commandsPlugin,
  toolbarPlugin,
];

export default plugins;
