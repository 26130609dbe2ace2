// A session with a car that stays open.

import { isSuccess } from '../session/codes.js';
import { faultOf } from '../fault.js';
import { Visit } from './visit.js';
import { actionNumber, outcomeWord } from './words.js';

/** @import {Api} from '../api/index.js' */
/** @import {Keyring, HeldKey} from '../store/keyring.js' */
/** @import {Receipt} from '../token/receipt.js' */
/** @import {Talk} from './talk.js' */

/** Made by `Driver.meet`. */
export class Meeting {
  #talk;
  #key;
  #keyring;
  #visit;

  /** @param {Talk} talk @param {HeldKey} key @param {Keyring} keyring @param {Api | null} api */
  constructor(talk, key, keyring, api) {
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
   * @param {string} action @param {number | null} [number] of a retry
   * @returns {Promise<{outcome: string, ok: boolean, receipt: Receipt | null, number: number}>} @throws {import('../fault.js').Fault}
   */
  async command(action, number = null) {
    const command = { number: number ?? (await this.#keyring.nextNumber(this.#key.keyId)), action: actionNumber(action) };
    try {
      const answer = await this.#visit.settle(command, await this.#talk.command(command));
      const receipt = await this.#visit.receipt(command, answer.receipt);
      return { outcome: outcomeWord(answer.outcome), ok: isSuccess(answer.outcome), receipt, number: command.number };
    } catch (error) {
      throw faultOf(error, { step: 'asked', number: command.number, mayHaveHappened: true });
    }
  }

  /** Ends it. Never throws. */
  leave() {
    return this.#talk.leave();
  }
}
