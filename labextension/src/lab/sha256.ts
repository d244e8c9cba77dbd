// SHA-256 (FIPS 180-4). The browser's own works only asynchronously, and not on pages served without TLS.

/** The first `count` primes. */
function primes(count: number): number[] {
  const found: number[] = [];
  for (let n = 2; found.length < count; n++) if (found.every((prime) => n % prime)) found.push(n);
  return found;
}

/** The first 32 bits of the fractional part. */
const fraction = (x: number): number => ((x - Math.floor(x)) * 2 ** 32) | 0;

const ROUND_CONSTANTS = primes(64).map((prime) => fraction(Math.cbrt(prime)));
const INITIAL_HASH = primes(8).map((prime) => fraction(Math.sqrt(prime)));

const at = (words: readonly number[], index: number): number => words[index] ?? 0;

const rotate = (x: number, by: number): number => (x >>> by) | (x << (32 - by));

/** Return the text's bytes in UTF-8, padded to blocks of 64 bytes. */
function padded(text: string): DataView {
  const bytes = new TextEncoder().encode(text);
  const view = new DataView(new ArrayBuffer(Math.ceil((bytes.length + 9) / 64) * 64));
  new Uint8Array(view.buffer).set(bytes);
  view.setUint8(bytes.length, 0x80);
  view.setBigUint64(view.byteLength - 8, BigInt(bytes.length) * 8n);
  return view;
}

function compress(hash: readonly number[], block: DataView, offset: number): number[] {
  const words = Array.from({ length: 16 }, (_, i) => block.getInt32(offset + 4 * i));
  const state = [...hash] as [number, number, number, number, number, number, number, number];
  for (let i = 0; i < 64; i++) {
    if (i >= 16) {
      const [w15, w2] = [at(words, i - 15), at(words, i - 2)];
      const low = rotate(w15, 7) ^ rotate(w15, 18) ^ (w15 >>> 3);
      const high = rotate(w2, 17) ^ rotate(w2, 19) ^ (w2 >>> 10);
      words.push((at(words, i - 16) + low + at(words, i - 7) + high) | 0);
    }
    const [a, b, c, d, e, f, g, h] = state;
    const sumE = rotate(e, 6) ^ rotate(e, 11) ^ rotate(e, 25);
    const sumA = rotate(a, 2) ^ rotate(a, 13) ^ rotate(a, 22);
    const first = (h + sumE + ((e & f) ^ (~e & g)) + at(ROUND_CONSTANTS, i) + at(words, i)) | 0;
    const second = (sumA + ((a & b) ^ (a & c) ^ (b & c))) | 0;
    state.splice(0, 8, (first + second) | 0, a, b, c, (d + first) | 0, e, f, g);
  }
  return hash.map((word, i) => (word + at(state, i)) | 0);
}

/** Return the SHA-256 of the text in UTF-8, in hexadecimal digits. */
export function sha256(text: string): string {
  const block = padded(text);
  let hash = INITIAL_HASH;
  for (let start = 0; start < block.byteLength; start += 64) hash = compress(hash, block, start);
  return hash.map((word) => (word >>> 0).toString(16).padStart(8, '0')).join('');
}
