// Frames: a message travels as one or more writes or notifications (protocols/key_session, *Frames*).

import { concat } from './bytes.js';
import { breach, SessionError } from './errors.js';

/** @import {Bytes} from './bytes.js' */

const FIRST = 0x80;
const LAST = 0x40;
const SEQUENCE = 0x3f;
const LARGEST = 512;
/** Most seconds between two frames of one message. */
export const FRAME_GAP = 2;
/** Most bytes of a message, its type included, before and after authentication. */
export const BEFORE_AUTHENTICATION = 512;
export const AFTER_AUTHENTICATION = 4096;

/** Cuts messages of one direction into frames. The sequence runs over all messages of a link. */
export class Fragmenter {
  #sequence = 0;

  /**
   * @param {Bytes} message not empty @param {number} size most bytes of a frame that the link grants now: ATT_MTU - 3
   * @returns {Bytes[]}
   */
  cut(message, size) {
    const room = Math.min(size, LARGEST) - 1;
    if (room < 1 || message.length === 0) throw new SessionError('misuse', 'no room for a frame, or an empty message');
    const frames = [];
    for (let at = 0; at < message.length; at += room) {
      const flags = (at === 0 ? FIRST : 0) | (at + room >= message.length ? LAST : 0);
      frames.push(concat(Uint8Array.of(flags | this.#sequence), message.subarray(at, at + room)));
      this.#sequence = (this.#sequence + 1) & SEQUENCE;
    }
    return frames;
  }
}

/** Puts the frames of one direction together. Holds one message at most, bounded by the limit of the moment. */
export class Reassembler {
  #sequence = 0;
  #size = 0;
  #lastAt = 0;
  /** @type {Bytes[] | null} */
  #parts = null;

  /** When the next frame of the message that has begun is too late, or null. */
  get deadline() {
    return this.#parts ? this.#lastAt + FRAME_GAP : null;
  }

  /**
   * @param {Bytes} frame @param {number} limit most bytes of a message now @param {number} now seconds, never going back
   * @returns {Bytes | null} a whole message, or null while more must come @throws {SessionError} breach: close the link
   */
  push(frame, limit, now) {
    if (frame.length < 2 || frame.length > LARGEST) throw breach(`a frame of ${frame.length} bytes`);
    if ((frame[0] & SEQUENCE) !== this.#sequence) throw breach('a frame out of its sequence');
    this.#sequence = (this.#sequence + 1) & SEQUENCE;
    const first = (frame[0] & FIRST) !== 0;
    if (first === (this.#parts !== null)) throw breach(first ? 'a beginning inside a message' : 'no beginning');
    if (this.#parts && now - this.#lastAt > FRAME_GAP) throw new SessionError('timed_out', 'too long between two frames');
    if (first) [this.#parts, this.#size] = [[], 0];
    const parts = /** @type {Bytes[]} */ (this.#parts);
    this.#size += frame.length - 1;
    if (this.#size > limit) throw breach(`a message of more than ${limit} bytes`);
    parts.push(frame.slice(1));
    this.#lastAt = now;
    if (!(frame[0] & LAST)) return null;
    this.#parts = null;
    return concat(...parts);
  }
}
