// The sealed channel of an open session: AES-128-GCM, counters that are never sent (protocols/key_session, *Keys of the
// channel*).

import { bigEndian, concat } from './bytes.js';
import { breach, SessionError } from './errors.js';
import { open, seal, sha256 } from './primitives.js';

/** @import {Bytes} from './bytes.js' */

/** Labels of keys and IVs, of EDHOC_Exporter and of the fast path alike. */
export const LABEL = Object.freeze({ KEY_UP: 32769, KEY_DOWN: 32770, IV_UP: 32771, IV_DOWN: 32772, FAST: 32773, FAST_ID: 32774, RANGE: 32775 });
const UP = 0; // device to vehicle
const DOWN = 1;
const MOST_MESSAGES = 2 ** 32;

/** @typedef {{keyUp: Bytes, keyDown: Bytes, ivUp: Bytes, ivDown: Bytes}} ChannelKeys */

/**
 * The four keys, from whatever derives `length` bytes for a label.
 * @param {(label: number, length: number) => Promise<Bytes>} derive @returns {Promise<ChannelKeys>}
 */
export const channelKeys = async (derive) => ({
  keyUp: await derive(LABEL.KEY_UP, 16), keyDown: await derive(LABEL.KEY_DOWN, 16),
  ivUp: await derive(LABEL.IV_UP, 12), ivDown: await derive(LABEL.IV_DOWN, 12),
});

export class Channel {
  #keys;
  #sent = 0;
  #heard = 0;

  /** @param {ChannelKeys} keys @param {Bytes} transcript TH_4, or TH_F of the fast path; 32 bytes */
  constructor(keys, transcript) {
    this.#keys = keys;
    this.transcript = transcript;
  }

  /** The 8 bytes that name the session in receipts. */
  sessionHash() {
    return sha256(this.transcript).then((hash) => hash.slice(0, 8));
  }

  /** @param {number} direction @param {number} type @param {number} counter */
  #bound(direction, type, counter) {
    return concat(this.transcript, Uint8Array.of(direction, type), bigEndian(counter, 8));
  }

  /** @param {Bytes} iv @param {number} counter */
  #nonce(iv, counter) {
    const padded = concat(new Uint8Array(4), bigEndian(counter, 8));
    return iv.map((byte, i) => byte ^ padded[i]);
  }

  /** A whole message. @param {number} type @param {Bytes} plain @returns {Promise<Bytes>} */
  async seal(type, plain) {
    if (this.#sent >= MOST_MESSAGES) throw new SessionError('misuse', 'no message is left in this session');
    const counter = this.#sent++;
    const { keyUp, ivUp } = this.#keys;
    return concat(Uint8Array.of(type), await seal(keyUp, this.#nonce(ivUp, counter), this.#bound(UP, type, counter), plain));
  }

  /** @param {number} type @param {Bytes} sealed @returns {Promise<Bytes>} @throws breach where it does not authenticate */
  async open(type, sealed) {
    const plain = await this.tryOpen(type, sealed);
    if (!plain) throw breach('a message that does not authenticate');
    return plain;
  }

  /** The same, null instead of a breach: a refused FAST. @param {number} type @param {Bytes} sealed */
  async tryOpen(type, sealed) {
    if (this.#heard >= MOST_MESSAGES) throw breach('too many messages');
    const counter = this.#heard++;
    const { keyDown, ivDown } = this.#keys;
    return open(keyDown, this.#nonce(ivDown, counter), this.#bound(DOWN, type, counter), sealed);
  }
}
