// Byte strings: the few things that every other file here does with them.

/** @typedef {Uint8Array<ArrayBuffer>} Bytes */

const TEXT = new TextEncoder();

/** ASCII or UTF-8 bytes of a text. @param {string} text @returns {Bytes} */
export const utf8 = (text) => new Uint8Array(TEXT.encode(text));

/** @param {...Uint8Array} parts @returns {Bytes} */
export function concat(...parts) {
  const out = new Uint8Array(parts.reduce((total, part) => total + part.length, 0));
  let at = 0;
  for (const part of parts) {
    out.set(part, at);
    at += part.length;
  }
  return out;
}

/**
 * Whether two byte strings are alike, without telling by its time where they differ.
 * @param {Uint8Array} a @param {Uint8Array} b
 */
export function equal(a, b) {
  if (a.length !== b.length) return false;
  let difference = 0;
  for (let i = 0; i < a.length; i++) difference |= a[i] ^ b[i];
  return difference === 0;
}

/** @param {Uint8Array} bytes @returns {string} */
export const toHex = (bytes) => Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('');

/** Hex of whole bytes. @param {string} hex @returns {Bytes} */
export function fromHex(hex) {
  if (!/^(?:[0-9a-fA-F]{2})*$/.test(hex)) throw new TypeError('not hex');
  return Uint8Array.from({ length: hex.length / 2 }, (_, i) => parseInt(hex.slice(2 * i, 2 * i + 2), 16));
}

/** Big-endian, `size` bytes, of a whole number below 2^53. @param {number} value @param {number} size @returns {Bytes} */
export function bigEndian(value, size) {
  const out = new Uint8Array(size);
  for (let i = size - 1; i >= 0; i--) {
    out[i] = value % 256;
    value = Math.floor(value / 256);
  }
  return out;
}

/** A whole number from big-endian bytes, at most 6 of them. @param {Uint8Array} bytes */
export const fromBigEndian = (bytes) => bytes.reduce((value, byte) => value * 256 + byte, 0);

/** Base64url without padding (RFC 4648, section 5). @param {Uint8Array} bytes */
export const toBase64url = (bytes) =>
  btoa(String.fromCharCode(...bytes)).replace(/\+/g, '-').replace(/\//g, '_').replace(/=+$/, '');

/** @param {string} text without padding @returns {Bytes} */
export function fromBase64url(text) {
  if (!/^[A-Za-z0-9_-]*$/.test(text)) throw new TypeError('not base64url');
  return Uint8Array.from(atob(text.replace(/-/g, '+').replace(/_/g, '/')), (letter) => letter.charCodeAt(0));
}
