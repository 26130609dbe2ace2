// Ids: 10 bytes; as text a prefix and 16 letters of base32 (RFC 4648, lower case, no padding).

import { SessionError } from './errors.js';

/** @import {Bytes} from './bytes.js' */

const LETTERS = 'abcdefghijklmnopqrstuvwxyz234567';

/** @param {string} prefix `veh`, `key`, `dev`, `inv` @param {Uint8Array} raw 10 bytes */
export function idText(prefix, raw) {
  let bits = 0n;
  for (const byte of raw) bits = (bits << 8n) | BigInt(byte);
  return `${prefix}_${Array.from({ length: 16 }, (_, i) => LETTERS[Number((bits >> BigInt(75 - 5 * i)) & 31n)]).join('')}`;
}

/** @param {string} prefix @param {string} text @returns {Bytes} 10 bytes */
export function idRaw(prefix, text) {
  if (!new RegExp(`^${prefix}_[a-z2-7]{16}$`).test(text)) throw new SessionError('misuse', `not an id of the form ${prefix}_...`);
  let bits = 0n;
  for (const letter of text.slice(prefix.length + 1)) bits = (bits << 5n) | BigInt(LETTERS.indexOf(letter));
  return Uint8Array.from({ length: 10 }, (_, i) => Number((bits >> BigInt(72 - 8 * i)) & 255n));
}
