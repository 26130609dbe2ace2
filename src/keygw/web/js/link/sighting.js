// Is it our car? The rotating id that it advertises and tells in INFO (protocols/key_session, *Advertisement*).

import { equal, utf8 } from '../session/bytes.js';
import { hmac } from '../session/primitives.js';

/** @import {Bytes} from '../session/bytes.js' */

/** Whether the car of that advertising key made this id; by chance 1 in 2^24. @param {Bytes} id 6 bytes @param {Bytes} advertisingKey @returns {Promise<boolean>} */
export async function isOf(id, advertisingKey) {
  if (id.length !== 6) return false;
  const tag = await hmac(advertisingKey, utf8('keygw adv'), id.slice(0, 3));
  return equal(tag.slice(0, 3), id.slice(3));
}
