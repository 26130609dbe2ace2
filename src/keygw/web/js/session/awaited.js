// What the device awaits in an open session. An answer that nobody asked for is a breach, and so is RESULT at another
// time than the waiting room's, CRED_PUT's and TIME_PROOF's.

import { OUTCOME, TYPE } from './codes.js';
import { breach, SessionError } from './errors.js';

/** @import {Ranging} from './messages.js' */

const MOST = 64;
/** Which answer a request has. @type {Map<number, number>} */
const ANSWER = new Map([
  [TYPE.RECEIPT_GET, TYPE.RECEIPT], [TYPE.RL_PUSH, TYPE.RL_ACK], [TYPE.RL_GET, TYPE.RL_GIVE],
  [TYPE.ISSUER_KEY, TYPE.ISSUER_KEY_ACK], [TYPE.TIME_PROOF, TYPE.RESULT], [TYPE.CRED_PUT, TYPE.RESULT],
]);

export class Awaited {
  /** Command numbers. @type {Set<number>} */
  #numbers = new Set();
  /** Answers by type. @type {Map<number, number>} */
  #answers = new Map();
  /** @type {{round: number, method: number} | null} */
  #ranging = null;
  #lastRound = 0;

  /** @param {number} type of the request */
  asked(type) {
    const answer = ANSWER.get(type);
    if (answer === undefined) return;
    const count = this.#answers.get(answer) ?? 0;
    if (count >= MOST) throw new SessionError('misuse', 'too many requests without an answer');
    this.#answers.set(answer, count + 1);
  }

  /** @param {number} number */
  askedCommand(number) {
    if (this.#numbers.has(number)) throw new SessionError('misuse', 'the answer to this number is awaited');
    if (this.#numbers.size >= MOST) throw new SessionError('misuse', 'too many commands without an answer');
    this.#numbers.add(number);
  }

  /** @param {number} round @param {number} method */
  askedRange(round, method) {
    if (this.#ranging) throw new SessionError('misuse', 'a round is under way');
    if (round <= this.#lastRound) throw new SessionError('misuse', 'a round counts up');
    this.#lastRound = round;
    this.#ranging = { round, method };
  }

  /** Takes one answer of a type, if one is awaited. @param {number} type @returns {boolean} */
  take(type) {
    const count = this.#answers.get(type) ?? 0;
    if (count > 0) this.#answers.set(type, count - 1);
    return count > 0;
  }

  /** @param {number} type */
  answered(type) {
    if (!this.take(type)) throw breach('an answer that nobody asked for');
  }

  /** @param {number} number */
  answeredCommand(number) {
    if (!this.#numbers.delete(number)) throw breach('a RES for a number that is not awaited');
  }

  /** @param {Ranging} ranging */
  answeredRange(ranging) {
    const asked = this.#ranging;
    if (!asked || asked.round !== ranging.round || asked.method !== ranging.method) throw breach('another round or method');
    if (!ranging.finding) throw breach('a RANGE without a finding');
    this.#ranging = null;
  }
}

/** Whether CRED_PUT is asked for. @param {number | null} outcome of the latest RESULT */
export const wantsChain = (outcome) => outcome === OUTCOME.CHAIN_REQUIRED;
