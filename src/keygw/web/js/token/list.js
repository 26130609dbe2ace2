// Revocation lists and what vehicles sign for them (protocols/key_token, *Revocation list*, *Acknowledgement*).

import { toHex } from '../session/bytes.js';
import { malformed, SessionError } from '../session/errors.js';
import { idText } from '../session/ids.js';
import { array, bytes, int, LAST_TIME, time, U16, U32 } from '../session/shapes.js';
import { digest, holds, issuedBy, open, shaped } from './cose.js';

/** @import {Bytes} from '../session/bytes.js' */
/** @import {Item} from '../session/cbor.js' */
/** @import {Point} from '../session/p256.js' */
/** @import {Envelope, Issuer} from './cose.js' */

/**
 * @typedef {{vehicleId: string, sequence: number, issuedAt: number, nextUpdate: number, minEpoch: number, issuedBefore: number,
 *   revoked: number[], suspended: number[], digest: Bytes}} RevocationList
 * @typedef {{vehicleId: string, sequence: number, listHash: Bytes, bootEpoch: number}} ListAck
 */

const MOST_ENTRIES = 1024;

/** Strictly ascending. @param {Item} item */
function indices(item) {
  const all = array(item, 0, MOST_ENTRIES).map((each) => int(each, 0, U16));
  if (all.some((each, i) => i > 0 && each <= all[i - 1])) throw malformed('indices out of order, or twice');
  return all;
}

/** The form alone: a device that carries a list trusts no issuer. @param {Bytes} signed @returns {Promise<RevocationList>} */
export async function peekList(signed) {
  return listIn(open(signed, 'dkrl', true));
}

/** @param {Bytes} signed @param {Issuer[]} issuers @returns {Promise<RevocationList>} @throws {SessionError} */
export async function readList(signed, issuers) {
  const envelope = open(signed, 'dkrl', true);
  await issuedBy(envelope, issuers);
  return listIn(envelope);
}

/** @param {Envelope} envelope @returns {Promise<RevocationList>} */
async function listIn(envelope) {
  const named = await digest(envelope);
  return shaped(() => {
    const [vehicle, sequence, issued, next, epoch, before, barred, paused] = array(envelope.payload, 8);
    const list = {
      vehicleId: idText('veh', bytes(vehicle, 10)), sequence: int(sequence, 1, U32), issuedAt: time(issued), nextUpdate: time(next),
      minEpoch: int(epoch, 0, U16), issuedBefore: int(before, 0, LAST_TIME), revoked: indices(barred), suspended: indices(paused), digest: named,
    };
    if (list.nextUpdate <= list.issuedAt) throw malformed('a list that ends before it begins');
    if (list.revoked.length + list.suspended.length > MOST_ENTRIES) throw malformed('too many entries');
    if (list.suspended.some((each) => list.revoked.includes(each))) throw malformed('an index in both');
    return list;
  });
}

/** @param {Bytes} signed @param {Point} vehicleKey @returns {Promise<ListAck>} @throws {SessionError} */
export async function readListAck(signed, vehicleKey) {
  const envelope = open(signed, 'dkra', false);
  await holds(envelope, vehicleKey);
  return shaped(() => {
    const [vehicle, sequence, hash, boot] = array(envelope.payload, 4);
    return { vehicleId: idText('veh', bytes(vehicle, 10)), sequence: int(sequence, 1, U32), listHash: bytes(hash, 32), bootEpoch: int(boot, 0, U32) };
  });
}

/** That the acknowledgement is of this list, or of a newer one. @param {ListAck} ack @param {RevocationList} list @throws {SessionError} wrong_audience, token_signature */
export function acknowledges(ack, list) {
  if (ack.vehicleId !== list.vehicleId) throw new SessionError('wrong_audience', 'another vehicle\'s word');
  if (ack.sequence === list.sequence && toHex(ack.listHash) !== toHex(list.digest)) throw new SessionError('token_signature', 'another list of that sequence');
  if (ack.sequence < list.sequence) throw new SessionError('wrong_audience', 'the vehicle has kept an older list');
}
