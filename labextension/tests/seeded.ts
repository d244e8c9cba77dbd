// Reproducible random numbers for property-style tests, and random splits of a text.

/** mulberry32 */
export function seeded(seed: number): () => number {
  let a = seed;
  return () => {
    a = (a + 0x6d2b79f5) | 0;
    let x = Math.imul(a ^ (a >>> 15), 1 | a);
    x = (x + Math.imul(x ^ (x >>> 7), 61 | x)) ^ x;
    return ((x ^ (x >>> 14)) >>> 0) / 4294967296;
  };
}

/** Split `text` into pieces of 1 to `longest` characters. */
export function split(text: string, longest: number, random: () => number): string[] {
  const parts: string[] = [];
  for (let at = 0; at < text.length;) {
    const size = 1 + Math.floor(random() * longest);
    parts.push(text.slice(at, at + size));
    at += size;
  }
  return parts;
}
