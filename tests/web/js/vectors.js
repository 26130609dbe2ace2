// The vectors of protocols/, and how a conversation of them is played to a session.

import { readFileSync } from 'node:fs';
import { fromHex } from '../../../src/keygw/web/js/session/bytes.js';
import { ephemeralOf } from '../../../src/keygw/web/js/session/primitives.js';

const PROTOCOLS = new URL('../../../protocols/', import.meta.url);

/** @param {string} path below protocols */
export const vectors = (path) => JSON.parse(readFileSync(new URL(path, PROTOCOLS), 'utf8'));

/** @param {string} name of key_session */
export const conversation = (name) => vectors(`key_session/vectors/${name}`);

const PKCS8_X25519 = fromHex('302e020100300506032b656e04220420');

/** The ephemeral key of a secret of the vectors. @param {string} secret hex */
export async function ephemeral(secret) {
  const { subtle } = globalThis.crypto;
  const pkcs8 = new Uint8Array([...PKCS8_X25519, ...fromHex(secret)]);
  const key = await subtle.importKey('pkcs8', pkcs8, { name: 'X25519' }, true, ['deriveBits']);
  const jwk = await subtle.exportKey('jwk', key);
  return ephemeralOf(key, new Uint8Array(Buffer.from(jwk.x, 'base64url')));
}
