// A style sheet is imported as its text (esbuild's `text` loader; a plugin of this package in vitest).
declare module '*.css' {
  const text: string;
  export default text;
}
