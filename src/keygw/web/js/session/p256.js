// P-256: points as the wire has them (x and whether y is odd), thumbprints, ES256. WebCrypto imports no compressed
// points everywhere, so y is found here; public values alone, so time tells nothing.

import { concat, fromHex, toHex } from './bytes.js';
import { encode } from './cbor.js';
import { malformed } from './errors.js';
import { sha256 } from './primitives.js';

/** @import {Bytes} from './bytes.js' */

const { subtle } = globalThis.crypto;
const P = 0xffffffff00000001000000000000000000000000ffffffffffffffffffffffffn;
const B = 0x5ac635d8aa3a93e7b3ebbd55769886bc651d06b0cc53b0f63bce3c3e27d2604bn;
const ES256 = { name: 'ECDSA', hash: 'SHA-256' };

/** @typedef {{x: Bytes, y: Bytes}} Point coordinates of 32 bytes */
/** Signs with the device key. ES256: 64 bytes, r | s. @typedef {{publicKey: Point, sign: (data: Bytes) => Promise<Bytes>}} Signer */

/** @param {Uint8Array} bytes */
const number = (bytes) => BigInt(`0x${toHex(bytes)}`);

/** @param {bigint} base @param {bigint} exponent */
function power(base, exponent) {
  let result = 1n;
  for (; exponent > 0n; exponent >>= 1n) {
    if (exponent & 1n) result = (result * base) % P;
    base = (base * base) % P;
  }
  return result;
}

/** The point of x and the oddness of y. @param {Bytes} x 32 bytes @param {boolean} odd @returns {Point} */
export function pointOf(x, odd) {
  const value = number(x);
  if (value >= P) throw malformed('a coordinate past the field');
  const square = (value ** 3n - 3n * value + B) % P;
  const positive = square < 0n ? square + P : square;
  let y = power(positive, (P + 1n) / 4n); // p is 3 modulo 4
  if ((y * y) % P !== positive) throw malformed('a point off the curve');
  if (((y & 1n) === 1n) !== odd) y = P - y;
  return { x, y: fromHex(y.toString(16).padStart(64, '0')) };
}

/** @param {Bytes} compressed SEC1, 33 bytes @returns {Point} */
export function decompress(compressed) {
  if (compressed.length !== 33 || (compressed[0] !== 2 && compressed[0] !== 3)) throw malformed('not a compressed point');
  return pointOf(compressed.slice(1), compressed[0] === 3);
}

/** @param {Point} point */
export const isOdd = (point) => (point.y[31] & 1) === 1;

/** @param {Point} point @returns {Bytes} SEC1, 33 bytes */
export const compress = (point) => concat(Uint8Array.of(isOdd(point) ? 3 : 2), point.x);

/** COSE key thumbprint (RFC 9679), 32 bytes. @param {Point} point */
export const thumbprint = (point) => sha256(encode(new Map(
  /** @type {[number, number | Bytes][]} */ ([[1, 2], [-1, 1], [-2, point.x], [-3, point.y]]))));

/** ES256 (RFC 9053, 2.1). @param {Point} point @param {Bytes} signature 64 bytes @param {Bytes} data @returns {Promise<boolean>} */
async function holds(point, signature, data) {
  const raw = concat(Uint8Array.of(4), point.x, point.y);
  const key = await subtle.importKey('raw', raw, { name: 'ECDSA', namedCurve: 'P-256' }, true, ['verify']);
  return subtle.verify(ES256, key, signature, data);
}

/**
 * Raises `failure` unless the signature holds.
 * @param {Point} point @param {Bytes} signature @param {Bytes} data @param {Error} failure
 */
export async function verify(point, signature, data, failure) {
  if (signature.length !== 64 || !(await holds(point, signature, data))) throw failure;
}

/** A signer of a WebCrypto pair; the private half need not be extractable. @param {CryptoKeyPair} pair @returns {Promise<Signer>} */
export async function signerOf(pair) {
  const raw = new Uint8Array(await subtle.exportKey('raw', pair.publicKey));
  return {
    publicKey: { x: raw.slice(1, 33), y: raw.slice(33) },
    sign: async (data) => new Uint8Array(await subtle.sign(ES256, pair.privateKey, data)),
  };
}
