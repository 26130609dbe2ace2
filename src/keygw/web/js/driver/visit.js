// One command at a car that was reached: asks, brings what the car lacks to decide (chain, list, time), asks again with the
// same number, and reads the receipt.

import { fromBase64url } from '../session/bytes.js';
import { isKeyRefusal, isSuccess, isWaiting, OUTCOME } from '../session/codes.js';
import { SessionError } from '../session/errors.js';
import { Fault } from '../fault.js';
import { acknowledges, peekList, readListAck } from '../token/list.js';
import { readReceipt } from '../token/receipt.js';

/** @import {Api} from '../api/index.js' */
/** @import {Keyring, HeldKey} from '../store/keyring.js' */
/** @import {Receipt} from '../token/receipt.js' */
/** @import {Command} from '../session/messages.js' */
/** @import {Talk} from './talk.js' */

/** `receipt`: its sequence, 0 for none. @typedef {{outcome: number, receipt: number}} Answer */

const MOST_ROUNDS = 6;

export class Visit {
  /** Whether the car has taken our list. */
  listCarried = false;
  #talk;
  #key;
  #keyring;
  #api;
  #proven = false;

  /** @param {Talk} talk @param {HeldKey} key @param {Keyring} keyring @param {Api | null} api */
  constructor(talk, key, keyring, api) {
    this.#talk = talk;
    this.#key = key;
    this.#keyring = keyring;
    this.#api = api;
  }

  /**
   * Until the car has decided: what it lacks is brought, as often as it asks, and the command goes again with its number.
   * @param {Command} command @param {Answer} answer @returns {Promise<Answer>}
   */
  async settle(command, answer) {
    for (let round = 0; round < MOST_ROUNDS && this.#curable(answer.outcome); round += 1) {
      if (!(await this.#cure(answer.outcome)) || this.#talk.over) break;
      answer = await this.#talk.command(command);
    }
    return answer;
  }

  /** What the key waits for is brought, without a command. @returns {Promise<number>} the verdict */
  async cureKey() {
    const verdict = () => this.#talk.result?.outcome ?? OUTCOME.DONE;
    for (let round = 0; round < MOST_ROUNDS && isWaiting(verdict()); round += 1) if (!(await this.#cure(verdict()))) break;
    return verdict();
  }

  /** Brings our list if the car's is older. @param {number} told the sequence of the car's @returns {Promise<boolean>} whether it took it */
  async carry(told) {
    const list = await this.#keyring.list(this.#key.vehicle.id);
    if (!list || list.sequence <= told || this.#talk.over) return false;
    const signed = await this.#talk.pushList(list.signed);
    const ack = await readListAck(signed, this.#key.vehicle.publicKey);
    acknowledges(ack, await peekList(list.signed));
    await this.#keyring.keepAck(this.#key.vehicle.id, signed);
    this.listCarried = true;
    return true;
  }

  /** The receipt of that command, checked with the vehicle's key. @param {Command} command @param {number} sequence @returns {Promise<Receipt | null>} */
  async receipt(command, sequence) {
    if (!sequence || this.#talk.over || this.#talk.waiting) return null;
    for (const signed of (await this.#talk.receipts(sequence - 1)).receipts) {
      const receipt = await readReceipt(signed, this.#key.vehicle.publicKey);
      if (receipt.vehicleId !== this.#key.vehicle.id || receipt.sequence < sequence) throw new SessionError('wrong_audience', 'another receipt');
      if (receipt.command === command.number && receipt.keyId === this.#key.keyId) {
        await this.#keyring.keepReceipt(receipt.vehicleId, receipt.sequence, signed);
        return receipt;
      }
    }
    return null;
  }

  /** @param {number} outcome */
  #curable(outcome) {
    return !this.#talk.over && !isSuccess(outcome) && !isKeyRefusal(outcome) && (isWaiting(outcome) || outcome === OUTCOME.LIST_STALE);
  }

  /** @param {number} outcome @returns {Promise<boolean>} whether anything was brought */
  async #cure(outcome) {
    const { result } = this.#talk;
    switch (outcome) {
      case OUTCOME.CHAIN_REQUIRED:
        if (!this.#key.chain.length || result?.outcome !== OUTCOME.CHAIN_REQUIRED) return false;
        await this.#talk.putChain(this.#key.chain);
        return true;
      case OUTCOME.TIME_PROOF_REQUIRED:
        return this.#bringTime();
      default: // suspended, or a list that is wanted or old
        return this.carry(result?.list ?? 0);
    }
  }

  /** @returns {Promise<boolean>} */
  async #bringTime() {
    const { result } = this.#talk;
    if (!this.#api || !result || this.#proven) return false;
    this.#proven = true;
    let told;
    try {
      told = await this.#api.timeProof(this.#key.vehicle.id, result.timeNonce);
    } catch (error) {
      if (error instanceof Fault) return false; // offline: the car's own word says what is missing
      throw error;
    }
    await this.#keyring.takeList(told.revocation_list);
    await this.#talk.proveTime(fromBase64url(told.proof));
    return true;
  }
}

/** What comes behind the answer costs nobody the answer. @template T @param {Promise<T>} part @returns {Promise<T | null>} */
export async function quietly(part) {
  try {
    return await part;
  } catch (error) {
    if (error instanceof Fault || error instanceof SessionError) return null;
    throw error;
  }
}
