// What the device key says of itself (protocols/key_token, protocols/attestation): that it claims an invitation, registers,
// gives a key back, was found, or shares a key.

import { SessionError } from '../session/errors.js';
import { idRaw } from '../session/ids.js';
import { thumbprint } from '../session/p256.js';
import { sha256 } from '../session/primitives.js';
import { sign } from './cose.js';

/** @import {Bytes} from '../session/bytes.js' */
/** @import {Signer} from '../session/p256.js' */

/** @param {Signer} signer @param {'claim' | 'decline'} act @param {string} id `inv_...` @param {Bytes} secret of the link, 32 bytes @returns {Promise<Bytes>} `dkip` */
export async function proveInvitation(signer, act, id, secret) {
  if (secret.length !== 32) throw new SessionError('misuse', 'not a secret of an invitation');
  return sign(signer, 'dkip', [act === 'claim' ? 1 : 2, idRaw('inv', id), await sha256(secret), await thumbprint(signer.publicKey)]);
}

/** @param {Signer} signer @param {Bytes} challenge of the gateway @returns {Promise<Bytes>} `dkdp`, without an attestation */
export const proveRegistration = async (signer, challenge) => sign(signer, 'dkdp', [challenge, await thumbprint(signer.publicKey), null]);

/** @param {Signer} signer @param {string} keyId its own @returns {Promise<Bytes>} `dkds` */
export const giveBack = async (signer, keyId) => sign(signer, 'dkds', [1, idRaw('key', keyId), 0, await thumbprint(signer.publicKey)]);

/** @param {Signer} signer @param {string} deviceId its own @param {number} loss the number of the loss that ends @returns {Promise<Bytes>} `dkds` */
export const wasFound = async (signer, deviceId, loss) => sign(signer, 'dkds', [2, idRaw('dev', deviceId), loss, await thumbprint(signer.publicKey)]);

/**
 * The holder's word that another device may have a key shared from its own. Times are Unix seconds; `device` is a thumbprint.
 * @param {Signer} signer
 * @param {{vehicleId: string, parentId: string, device: Bytes, entitlements: number, issuedAt: number, notBefore: number, expiresAt: number,
 *   depth: number, maxDepth: number}} grant @returns {Promise<Bytes>} `dkgr`
 */
export function signGrant(signer, { vehicleId, parentId, device, entitlements, issuedAt, notBefore, expiresAt, depth, maxDepth }) {
  const good = device.length === 32 && entitlements > 0 && issuedAt < expiresAt && notBefore < expiresAt && depth >= 1 && depth <= maxDepth && maxDepth <= 2;
  if (!good) return Promise.reject(new SessionError('misuse', 'a grant that says nothing, or contradicts itself'));
  const body = [idRaw('veh', vehicleId), idRaw('key', parentId), device, entitlements, issuedAt, notBefore, expiresAt, depth, maxDepth];
  return sign(signer, 'dkgr', body);
}
