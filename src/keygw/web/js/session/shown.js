// message_3, and the keys that the handshake leaves (protocols/key_session, *Keys of the channel*, *Ranging*, *Fast path*).

import { concat } from './bytes.js';
import { Channel, channelKeys, LABEL } from './channel.js';
import { idRaw } from './ids.js';
import { writeIntent } from './messages.js';
import { sha256 } from './primitives.js';

/** @import {Bytes} from './bytes.js' */
/** @import {Initiator} from './edhoc.js' */
/** @import {FastPair} from './fast.js' */
/** @import {Command, Hello} from './messages.js' */

/** What message_3 says and binds. @typedef {{vehicleId: string, keyId: Bytes, info: Bytes, hello: Hello, link: number, subscribe: boolean, command: Command | null}} Said */

/**
 * After message_2 has verified. @param {Initiator} handshake @param {Said} said
 * @returns {Promise<{message3: Bytes, channel: Channel, pair: FastPair, rangeKey: Bytes}>} the pair counts once RESULT has verified
 */
export async function show(handshake, { vehicleId, keyId, info, hello, link, subscribe, command }) {
  const bound = await sha256(info, hello.body);
  const message3 = await handshake.message3(writeIntent(bound.slice(0, 8), link, subscribe, command));
  const context = concat(bound, idRaw('veh', vehicleId), keyId);
  /** @param {number} label @param {number} length */
  const derive = (label, length) => handshake.exporter(label, context, length);
  const channel = new Channel(await channelKeys(derive), handshake.values.TH_4);
  const pair = { kFast: await derive(LABEL.FAST, 32), kId: await derive(LABEL.FAST_ID, 32) };
  return { message3, channel, pair, rangeKey: await derive(LABEL.RANGE, 32) };
}
