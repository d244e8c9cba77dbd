// The JupyterLab and Notebook 7 extension: five plugins, each of which may be disabled by itself.
// Always true: everything in a notebook works without any of them, only less well.
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
