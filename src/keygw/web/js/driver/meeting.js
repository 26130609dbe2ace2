// A session with a car that stays open.

import { isSuccess } from '../session/codes.js';
import { Fault, faultOf } from '../fault.js';
import { quietly, Visit } from './visit.js';
import { actionNumber, outcomeWord } from './words.js';

/** @import {Api} from '../api/index.js' */
/** @import {Keyring, HeldKey} from '../store/keyring.js' */
/** @import {Receipt} from '../token/receipt.js' */
/** @import {Talk} from './talk.js' */
/** @import {Tapped} from './index.js' */

/** An answer that is all that was ever told. */
const LAST = 0xffffffff;

/** Made by `Driver.meet` and `Driver.tapAndStay`. */
export class Meeting {
  #talk;
  #key;
  #keyring;
  #visit;

  /** @param {Talk} talk @param {HeldKey} key @param {Keyring} keyring @param {Api | null} api @param {Tapped | null} first the answer with which it began */
  constructor(talk, key, keyring, api, first) {
    this.first = first;
    /** Whether it takes the actions of the fast path alone. */
    this.quick = first?.road === 'fast';
    this.#talk = talk;
    this.#key = key;
    this.#keyring = keyring;
    this.#visit = new Visit(talk, key, keyring, api);
  }

  /** Whether it is still there. */
  get alive() {
    return !this.#talk.over;
  }

  /**
   * @param {string} action @param {{number?: number | null, onAsked?: () => void}} [manner] `number`: of a retry
   * @returns {Promise<{outcome: string, ok: boolean, receipt: Receipt | null, number: number}>} @throws {import('../fault.js').Fault}
   */
  async command(action, { number = null, onAsked = () => {} } = {}) {
    const command = { number: number ?? (await this.#keyring.nextNumber(this.#key.keyId)), action: actionNumber(action) };
    if (!this.alive) throw new Fault('session_over', { step: 'near', number: command.number, retryable: true });
    this.#talk.asked = false;
    this.#talk.onAsked = onAsked;
    try {
      const answer = await this.#visit.settle(command, await this.#talk.command(command));
      const receipt = await quietly(this.#visit.receipt(command, answer.receipt));
      return { outcome: outcomeWord(answer.outcome), ok: isSuccess(answer.outcome), receipt, number: command.number };
    } catch (error) {
      const { asked } = this.#talk;
      throw faultOf(error, { step: asked ? 'asked' : 'near', number: command.number, mayHaveHappened: asked });
    }
  }

  /** Until all is heard that the car has told before now: an answer comes behind it. @throws {import('../fault.js').Fault} */
  async caughtUp() {
    await this.#talk.receipts(LAST);
  }

  /** Ends it. Never throws. */
  leave() {
    return this.#talk.leave();
  }
}
