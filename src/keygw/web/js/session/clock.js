// The deadlines of one conversation (protocols/key_session, *Timers and limits*), in seconds of a clock of the caller's
// that never goes back. Whoever drives the session asks for the next one and calls `tick` then.

/** @import {State} from './states.js' */

export const UNTIL_MESSAGE_1 = 120;
export const HANDSHAKE = 10;
export const OPEN_FOR = 600;

export class Deadlines {
  /** @type {number} */
  at;
  #start;

  /** @param {number} now */
  constructor(now) {
    this.#start = now;
    this.at = now + UNTIL_MESSAGE_1;
  }

  /** A step of the table was made. @param {State} from @param {State} to @param {number} now */
  moved(from, to, now) {
    if (to === 'ASKED' || to === 'HURRIED') this.at = now + HANDSHAKE;
    else if (from === 'HURRIED' || from === 'SHOWN') this.at = now + OPEN_FOR;
  }

  /** FAST was refused: nothing is extended; the link is one without message_1 again. */
  refused() {
    this.at = this.#start + UNTIL_MESSAGE_1;
  }
}
