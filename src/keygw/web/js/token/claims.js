// The key token in its CWT form (protocols/key_token, *CWT form*).

import { SessionError, malformed } from '../session/errors.js';
import { idText } from '../session/ids.js';
import { pointOf, thumbprint } from '../session/p256.js';
import { array, bool, bytes, int, intOrNull, map, time, U16, U32, U8 } from '../session/shapes.js';
import { issuedBy, open, shaped } from './cose.js';

/** @import {Bytes} from '../session/bytes.js' */
/** @import {Item} from '../session/cbor.js' */
/** @import {Point} from '../session/p256.js' */
/** @import {Envelope, Issuer} from './cose.js' */

/**
 * @typedef {{keyId: string, issuedAt: number, notBefore: number, expiresAt: number, deviceKey: Point, vehicleId: string, vehicleKey: Bytes,
 *   role: number, entitlements: number, index: number, parentId: string | null, depth: number, maxDepth: number, epoch: number,
 *   statusIndex: number | null, userVerification: boolean}} Claims
 */

export const ENTITLEMENT = Object.freeze({
  'status.read': 0, 'door.lock': 1, 'door.unlock': 2, 'trunk.open': 3, 'window.move': 4, 'climate.set': 5, 'light.flash': 6,
  'charge.control': 7, 'engine.start': 8, 'key.share': 9, 'key.manage': 10,
});
const PRIVATE = -65537;
const MOST_BYTES = 1024;

/** The form alone: a device trusts no issuer, it is the car that checks. @param {Bytes} cwt @returns {Claims} @throws {SessionError} token_malformed, wrong_type */
export const peekToken = (cwt) => claimsIn(open(cwt, 'dk', true, MOST_BYTES));

/** @param {Bytes} cwt @param {Issuer[]} issuers @returns {Promise<Claims>} @throws {SessionError} also unknown_issuer, token_signature */
export async function readToken(cwt, issuers) {
  const envelope = open(cwt, 'dk', true, MOST_BYTES);
  const claims = claimsIn(envelope);
  await issuedBy(envelope, issuers);
  return claims;
}

/** A map of exactly these keys, by its keys. @param {Item} item @param {number[]} keys @returns {(key: number) => Item} */
function entries(item, keys) {
  const found = map(item, keys);
  return (key) => found.get(key) ?? null;
}

/** @param {Envelope} envelope @returns {Claims} */
function claimsIn(envelope) {
  return shaped(() => {
    const claims = entries(envelope.payload, [4, 5, 6, 7, 8, PRIVATE]);
    const cose = entries(entries(claims(8), [1])(1), [1, -1, -2, -3]);
    if (cose(1) !== 2 || cose(-1) !== 1) throw malformed('a device key of another kind');
    const [vehicle, vehicleKey, role, rights, index, parent, depth, most, epoch, status, verified] = array(claims(PRIVATE), 11);
    const told = {
      keyId: idText('key', bytes(claims(7), 10)), issuedAt: time(claims(6)), notBefore: time(claims(5)), expiresAt: time(claims(4)),
      deviceKey: pointOf(bytes(cose(-2), 32), bool(cose(-3))), vehicleId: idText('veh', bytes(vehicle, 10)), vehicleKey: bytes(vehicleKey, 16),
      role: int(role, 0, U8), entitlements: int(rights, 0, U32), index: int(index, 0, U16), parentId: parent === null ? null : idText('key', bytes(parent, 10)),
      depth: int(depth, 0, 2), maxDepth: int(most, 0, 2), epoch: int(epoch, 0, U16), statusIndex: intOrNull(status, U32), userVerification: bool(verified),
    };
    if (told.notBefore >= told.expiresAt) throw malformed('a token that ends before it begins');
    if ((told.parentId === null) !== (told.depth === 0) || told.depth > told.maxDepth) throw malformed('a parent, or a depth, that does not fit');
    return told;
  });
}

/** That the token is for this vehicle and this device. @param {Claims} claims @param {string} vehicleId @param {Point} vehicleKey @param {Point} deviceKey */
export async function fits(claims, vehicleId, vehicleKey, deviceKey) {
  const [whole, device, told] = await Promise.all([thumbprint(vehicleKey), thumbprint(deviceKey), thumbprint(claims.deviceKey)]);
  const same = (/** @type {Bytes} */ a, /** @type {Bytes} */ b) => a.every((byte, i) => byte === b[i]);
  if (claims.vehicleId !== vehicleId || !same(claims.vehicleKey, whole.slice(0, 16))) throw new SessionError('wrong_audience', 'a key of another vehicle');
  if (!same(told, device)) throw new SessionError('wrong_audience', 'a key of another device');
}

/** @param {number} bits @returns {string[]} the names that are known */
export const entitlementNames = (bits) => Object.entries(ENTITLEMENT).filter(([, bit]) => bits & (1 << bit)).map(([name]) => name);

/** @param {string[]} names @returns {number} */
export const entitlementBits = (names) => names.reduce((bits, name) => {
  const bit = /** @type {Record<string, number>} */ (ENTITLEMENT)[name];
  if (bit === undefined) throw new SessionError('misuse', 'an entitlement that nobody knows');
  return bits | (1 << bit);
}, 0);
