// What the device key says of itself (protocols/key_token, protocols/attestation): that it claims an invitation, registers, gives a
// key back, or is found. COSE_Sign1, deterministic.

import { toBase64url } from '../../js/session/bytes.js';
import { encode } from '../../js/session/cbor.js';
import { idRaw, idText } from '../../js/session/ids.js';
import { compress, signerOf, thumbprint } from '../../js/session/p256.js';
import { sha256 } from '../../js/session/primitives.js';
import * as db from './db.js';

/** @import {Signer} from '../../js/session/p256.js' */

/** @param {string} text base64url @returns {Uint8Array<ArrayBuffer>} */
export const fromBase64url = (text) => Uint8Array.from(atob(text.replace(/-/g, '+').replace(/_/g, '/')), (letter) => letter.charCodeAt(0));

/** @returns {Promise<Signer>} of the device key, made at the first use */
export const device = async () => signerOf(await db.pair('device'));

/** @returns {Promise<{publicKey: string, id: string}>} */
export async function identity() {
  const { publicKey } = await device();
  return { publicKey: toBase64url(compress(publicKey)), id: idText('dev', (await thumbprint(publicKey)).slice(0, 10)) };
}

/** @param {string} typ four letters @param {import('../../js/session/cbor.js').Item} payload @returns {Promise<string>} base64url */
async function seal(typ, payload) {
  const header = encode(new Map(/** @type {[number, number | string][]} */ ([[1, -7], [16, typ]])));
  const body = encode(payload);
  const signature = await (await device()).sign(encode(['Signature1', header, new Uint8Array(0), body]));
  return toBase64url(encode([header, new Map(), body, signature]));
}

const own = async () => thumbprint((await device()).publicKey);

/** @param {1 | 2} act claim, decline @param {string} id @param {string} secret @returns {Promise<string>} */
export const proveInvitation = async (act, id, secret) => seal('dkip', [act, idRaw('inv', id), await sha256(fromBase64url(secret)), await own()]);
/** @param {string} challenge base64url */
export const proveRegistration = async (challenge) => seal('dkdp', [fromBase64url(challenge), await own(), null]);
/** @param {1 | 2} act give back a key, found a device @param {string} subject its id @param {number} number of the loss, or 0 */
export const state = async (act, subject, number) => seal('dkds', [act, idRaw(act === 1 ? 'key' : 'dev', subject), number, await own()]);
