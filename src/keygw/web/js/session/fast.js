// The fast path (protocols/key_session): one round trip, with a pair that a full handshake left on both sides.

import { bigEndian, concat } from './bytes.js';
import { Channel, channelKeys } from './channel.js';
import { TYPE } from './codes.js';
import { writeFastCommand } from './messages.js';
import { expand, extract, hmac, sha256 } from './primitives.js';
import { utf8 } from './bytes.js';

/** @import {Bytes} from './bytes.js' */
/** @import {Command} from './messages.js' */
/** @import {Ephemeral} from './primitives.js' */

/** What a handshake leaves. Secret: it opens the car until it dies. @typedef {{kFast: Bytes | CryptoKey, kId: Bytes | CryptoKey}} FastPair */

/**
 * @param {{pair: FastPair, vehicle: Bytes, greeting: Bytes, gV: Bytes, ephemeral: Ephemeral, command: Command,
 *   subscribe: boolean, link: number}} setting `vehicle`: the raw id; `greeting`: INFO and HELLO's body
 * @returns {Promise<{message: Bytes, channel: Channel}>}
 */
export async function fast({ pair, vehicle, greeting, gV, ephemeral, command, subscribe, link }) {
  const gD = ephemeral.publicKey;
  const ktag = (await hmac(pair.kId, utf8('tag'), greeting, gD)).slice(0, 8);
  const transcript = await sha256(vehicle, greeting, ktag, gD);
  const prk = await extract(pair.kFast, await ephemeral.agree(gV));
  const keys = await channelKeys((label, length) => expand(prk, concat(bigEndian(label, 2), transcript), length));
  const channel = new Channel(keys, transcript);
  const sealed = await channel.seal(TYPE.FAST, writeFastCommand(command, subscribe, link));
  return { message: concat(Uint8Array.of(TYPE.FAST), ktag, gD, sealed.subarray(1)), channel };
}
