// What every way to a car looks like from above: an air finds it, a link carries frames.

import { Fault } from '../fault.js';

/** @import {Bytes} from '../session/bytes.js' */
/** @import {HeldKey} from '../store/keyring.js' */

/**
 * `send` resolves when the link has taken the frame; `last`: of a message. Frames that came before `listen` are given then.
 * `ended` is called once, unless we have closed it. `link`: what the car is told of the way (LINK of codes.js).
 * @typedef {{kind: string, link: number, info: Bytes, readonly maxFrame: number, peer: string, send: (frame: Bytes, last: boolean) => Promise<void>,
 *   listen: (ear: Ear) => void, close: () => Promise<void>}} Link
 */
/** @typedef {{frame: (frame: Bytes) => void, ended: (fault: Fault) => void}} Ear */
/** `avoid`: peers that turned out to be another car. @typedef {{signal?: AbortSignal | null, avoid?: string[]}} Opening */
/** @typedef {{kind: string, open: (vehicle: HeldKey['vehicle'], opening?: Opening) => Promise<Link>}} Air */

const MOST_EARLY = 512;

/** Holds frames until somebody listens, and the end until somebody hears it. A side without bounds is let go. */
export class Mailbox {
  /** @type {Ear | null} */
  #ear = null;
  /** @type {Bytes[]} */
  #early = [];
  /** @type {Fault | null} */
  over = null;

  /** @param {Bytes} frame @returns {boolean} false where nobody has taken too many */
  frame(frame) {
    if (this.over) return true;
    if (this.#ear) this.#ear.frame(frame);
    else if (this.#early.push(frame) > MOST_EARLY) return false;
    return true;
  }

  /** @param {Fault} fault @param {boolean} [tell] */
  end(fault, tell = true) {
    if (this.over) return;
    this.over = fault;
    if (tell) this.#ear?.ended(fault);
    if (!tell) this.#ear = null;
  }

  /** @param {Ear} ear */
  listen(ear) {
    this.#ear = ear;
    for (const frame of this.#early.splice(0)) ear.frame(frame);
    if (this.over) ear.ended(this.over);
  }
}
