// Receipts (protocols/key_token, *Receipt*): what the vehicle has signed of each command, chained by hash.

import { toHex } from '../session/bytes.js';
import { SessionError } from '../session/errors.js';
import { idText } from '../session/ids.js';
import { array, boolOrNull, bytes, int, LAST_TIME, U32, U8 } from '../session/shapes.js';
import { digest, holds, open, shaped } from './cose.js';

/** @import {Bytes} from '../session/bytes.js' */
/** @import {Point} from '../session/p256.js' */

/**
 * `at`: Unix seconds, null while the vehicle did not know. `digest`: what the next receipt's `previous` is.
 * @typedef {{vehicleId: string, sequence: number, command: number, keyId: string, action: number, outcome: number, before: boolean | null,
 *   after: boolean | null, bootEpoch: number, session: Bytes, previous: Bytes, at: number | null, digest: Bytes}} Receipt
 */

/** @param {Bytes} signed @param {Point} vehicleKey @returns {Promise<Receipt>} @throws {SessionError} token_malformed, wrong_type, token_signature */
export async function readReceipt(signed, vehicleKey) {
  const envelope = open(signed, 'dkrc', false);
  await holds(envelope, vehicleKey);
  const named = await digest(envelope);
  return shaped(() => {
    const [vehicle, sequence, command, key, action, outcome, before, after, boot, session, previous, at] = array(envelope.payload, 12);
    return {
      vehicleId: idText('veh', bytes(vehicle, 10)), sequence: int(sequence, 1, U32), command: int(command, 0, U32),
      keyId: idText('key', bytes(key, 10)), action: int(action, 0, U8), outcome: int(outcome, 0, U8), before: boolOrNull(before),
      after: boolOrNull(after), bootEpoch: int(boot, 0, U32), session: bytes(session, 8), previous: bytes(previous, 32),
      at: int(at, 0, LAST_TIME) || null, digest: named,
    };
  });
}

/** One receipt follows the other. @param {Receipt} before @param {Receipt} after @throws {SessionError} receipt_chain */
export function follows(before, after) {
  const next = after.sequence === before.sequence + 1 && after.vehicleId === before.vehicleId;
  if (!next || toHex(after.previous) !== toHex(before.digest)) throw new SessionError('receipt_chain', 'a receipt is missing, or was changed');
}
