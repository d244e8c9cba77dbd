export const toolbarPlugin = { id: 'mm-magics:toolbar', autoStart: true, activate: () => {} };
