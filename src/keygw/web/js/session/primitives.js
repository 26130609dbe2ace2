// The cryptography, all of it WebCrypto: browsers and Node 20 or newer. X25519, AES-128-GCM, HKDF, HMAC, SHA-256.

import { concat } from './bytes.js';
import { breach } from './errors.js';

/** @import {Bytes} from './bytes.js' */

const { subtle } = globalThis.crypto;

/** @param {...Uint8Array} parts @returns {Promise<Bytes>} 32 bytes */
export const sha256 = async (...parts) => new Uint8Array(await subtle.digest('SHA-256', concat(...parts)));

/** @param {Bytes | CryptoKey} key not empty; or one that stays inside WebCrypto @param {...Uint8Array} parts @returns {Promise<Bytes>} 32 bytes */
export async function hmac(key, ...parts) {
  const imported = key instanceof CryptoKey ? key : await subtle.importKey('raw', key, { name: 'HMAC', hash: 'SHA-256' }, false, ['sign']);
  return new Uint8Array(await subtle.sign('HMAC', imported, concat(...parts)));
}

/** HKDF-Extract (RFC 5869, 2.2). @param {Bytes | CryptoKey} salt @param {Bytes} secret */
export const extract = (salt, secret) => hmac(salt, secret);

/**
 * HKDF-Expand (RFC 5869, 2.3). WebCrypto has HKDF only with its first half, hence HMAC.
 * @param {Bytes} prk @param {Uint8Array} info @param {number} length at most 8160 @returns {Promise<Bytes>}
 */
export async function expand(prk, info, length) {
  const key = await subtle.importKey('raw', prk, { name: 'HMAC', hash: 'SHA-256' }, false, ['sign']);
  /** @type {Bytes} */
  let block = new Uint8Array(0);
  /** @type {Bytes[]} */
  const blocks = [];
  for (let i = 1; blocks.length * 32 < length; i++) {
    block = new Uint8Array(await subtle.sign('HMAC', key, concat(block, info, Uint8Array.of(i))));
    blocks.push(block);
  }
  return concat(...blocks).slice(0, length);
}

/** @param {Bytes} key */
const gcmKey = (key) => subtle.importKey('raw', key, 'AES-GCM', false, ['encrypt', 'decrypt']);

/** AES-128-GCM. @param {Bytes} key @param {Bytes} nonce @param {Bytes} aad @param {Bytes} plain @returns {Promise<Bytes>} and tag */
export const seal = async (key, nonce, aad, plain) =>
  new Uint8Array(await subtle.encrypt({ name: 'AES-GCM', iv: nonce, additionalData: aad }, await gcmKey(key), plain));

/**
 * @param {Bytes} key @param {Bytes} nonce @param {Bytes} aad @param {Bytes} sealed
 * @returns {Promise<Bytes | null>} null where it does not authenticate
 */
export async function open(key, nonce, aad, sealed) {
  if (sealed.length < 16) return null;
  const imported = await gcmKey(key);
  try {
    return new Uint8Array(await subtle.decrypt({ name: 'AES-GCM', iv: nonce, additionalData: aad }, imported, sealed));
  } catch (error) {
    if (error instanceof Error && error.name === 'OperationError') return null;
    throw error;
  }
}

/**
 * One ephemeral X25519 key. `agree` gives the shared secret, or a breach for a point of low order.
 * @typedef {{publicKey: Bytes, agree: (peer: Bytes) => Promise<Bytes>}} Ephemeral
 */

/** A fresh one; its private half never leaves WebCrypto. @returns {Promise<Ephemeral>} */
export async function freshEphemeral() {
  const pair = /** @type {CryptoKeyPair} */ (await subtle.generateKey({ name: 'X25519' }, false, ['deriveBits']));
  return ephemeralOf(pair.privateKey, new Uint8Array(await subtle.exportKey('raw', pair.publicKey)));
}

/** @param {CryptoKey} privateKey @param {Bytes} publicKey @returns {Ephemeral} */
export function ephemeralOf(privateKey, publicKey) {
  return {
    publicKey,
    async agree(peer) {
      const imported = await subtle.importKey('raw', peer, { name: 'X25519' }, true, []);
      let secret;
      try {
        secret = new Uint8Array(await subtle.deriveBits({ name: 'X25519', public: imported }, privateKey, 256));
      } catch {
        throw breach('an X25519 point of low order'); // what WebCrypto answers for an all-zero result
      }
      if (secret.every((byte) => byte === 0)) throw breach('an X25519 point of low order');
      return secret;
    },
  };
}
