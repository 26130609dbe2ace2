// What a phone does with a car: one tap, or a meeting that lasts. Over any air; what the car is told and asks for is in
// protocols/key_session.

import { Fault, faultOf, heed } from '../fault.js';
import { FAST_ACTIONS, isKeyRefusal, isSuccess, isWaiting } from '../session/codes.js';
import { idRaw } from '../session/ids.js';
import { Meeting } from './meeting.js';
import { Talk } from './talk.js';
import { quietly, Visit } from './visit.js';
import { actionNumber, outcomeWord } from './words.js';

/** @import {Api} from '../api/index.js' */
/** @import {Air, Link} from '../link/port.js' */
/** @import {HeldKey as SessionKey} from '../session/session.js' */
/** @import {Command} from '../session/messages.js' */
/** @import {Keyring, HeldKey} from '../store/keyring.js' */
/** @import {Receipt} from '../token/receipt.js' */
/** @import {Answer} from './visit.js' */
/** @import {Listeners} from './talk.js' */

/** @typedef {'searching' | 'near' | 'verifying' | 'asked' | 'done'} TapStep */
/** `number`: give the same again to retry. @typedef {{signal?: AbortSignal | null, onStep?: (step: TapStep) => void, number?: number | null}} Manner */
/** With `onSignals` the car is asked for its signals. @typedef {Manner & Listeners} Asking */
/**
 * What the car has answered. `outcome`: the car's word, such as `done` or `door_open`; `receipt`: verified, null where the car gave
 * none. @typedef {{outcome: string, ok: boolean, road: 'fast' | 'full', receipt: Receipt | null, ms: number, number: number, listCarried: boolean}} Tapped
 */

export class Driver {
  #keyring;
  #api;
  #ticks;

  /** @param {{keyring: Keyring, api?: Api | null, ticks?: () => number}} setting `api`: for time proofs; null where there is no gateway */
  constructor({ keyring, api = null, ticks }) {
    this.#keyring = keyring;
    this.#api = api;
    this.#ticks = ticks;
  }

  /**
   * Reaches the car, proves the key, sends one command in the same breath, reads the receipt, leaves. A refusal by the car is
   * an answer; what breaks is a `Fault` that says in which step, and whether the car may have acted.
   * @param {Air} air @param {string} vehicleId @param {string} action @param {Asking} [manner] @returns {Promise<Tapped>} @throws {Fault}
   */
  async tap(air, vehicleId, action, manner = {}) {
    return (await this.#once(air, await this.#key(vehicleId), action, manner, false)).told;
  }

  /**
   * A tap whose session stays, so that the next commands go at once: what a link is worth that a person had to choose.
   * Its answer is the meeting's `first`. After a fast path the session takes the actions of the fast path alone (`quick`).
   * @param {Air} air @param {string} vehicleId @param {string} action @param {Asking} [manner] @returns {Promise<Meeting>} @throws {Fault}
   */
  async tapAndStay(air, vehicleId, action, manner = {}) {
    const key = await this.#key(vehicleId);
    const { told, talk } = await this.#once(air, key, action, manner, true);
    return new Meeting(talk, key, this.#keyring, this.#api, told);
  }

  /**
   * A session that stays: the car tells its signals, commands go at once. Ends by `leave`, or by the car or the link.
   * @param {Air} air @param {string} vehicleId @param {Asking} [manner] @returns {Promise<Meeting>} @throws {Fault}
   */
  async meet(air, vehicleId, { signal = null, onStep = () => undefined, onSignals, onClosed } = {}) {
    const key = await this.#key(vehicleId);
    const steps = new Steps(onStep);
    let hopeful = false;
    /** @type {Talk | null} */
    let talk = null;
    const leave = () => { void talk?.leave(); };
    signal?.addEventListener('abort', leave);
    try {
      const link = await this.#reach(air, key, signal, steps);
      const { kept } = await this.#keyring.recall(key);
      talk = await this.#talk(link, key, kept, { onSignals, onClosed });
      heed(signal);
      await talk.hello();
      steps.at('verifying');
      hopeful = kept;
      const result = await talk.full(null, true);
      const visit = new Visit(talk, key, this.#keyring, this.#api);
      const verdict = isWaiting(result.outcome) ? await visit.cureKey() : result.outcome;
      if (!isSuccess(verdict)) throw new Fault(outcomeWord(verdict));
      await this.#keyring.remember(key, { pair: talk.pair });
      await visit.carry(talk.result?.list ?? 0);
      steps.at('done');
      return new Meeting(talk, key, this.#keyring, this.#api, null);
    } catch (error) {
      await talk?.leave();
      if (hopeful && talk?.refused) return this.meet(air, vehicleId, { signal, onStep, onSignals, onClosed });
      heedAt(signal, steps);
      throw faultOf(error, { step: steps.now });
    } finally {
      signal?.removeEventListener('abort', leave);
    }
  }

  /** @param {Air} air @param {HeldKey} key @param {string} action @param {Asking} manner @param {boolean} stay @returns {Promise<{told: Tapped, talk: Talk}>} */
  async #once(air, key, action, { signal = null, onStep = () => undefined, number = null, onSignals, onClosed }, stay) {
    const began = performance.now();
    const command = { number: number ?? (await this.#keyring.nextNumber(key.keyId)), action: actionNumber(action) };
    const all = { signal, onStep, onSignals, onClosed, stay };
    const { answer, talk } = await this.#keyring.store.alone(`car/${key.vehicle.id}`, async () => {
      try {
        return await this.#tap(air, key, command, all);
      } catch (error) {
        // A token that the car keeps no more is refused like any fault, and so is HELLO_REQ where the answer to FAST was spoilt on
        // its way: once more on a new link, with the token itself and the same number.
        if (!(error instanceof Unkept)) throw error;
        return this.#tap(air, key, command, all);
      }
    });
    onStep('done');
    return { told: { ...answer, ms: performance.now() - began, number: command.number }, talk };
  }

  /** @param {Air} air @param {HeldKey} key @param {Command} command @param {Asking & {signal: AbortSignal | null, onStep: (step: TapStep) => void, stay: boolean}} manner */
  async #tap(air, key, command, { signal, onStep, onSignals, onClosed, stay }) {
    const subscribe = onSignals !== undefined;
    let stays = false;
    const steps = new Steps(onStep);
    /** @type {Talk | null} */
    let talk = null;
    let hopeful = false;
    const leave = () => { void talk?.leave(); };
    signal?.addEventListener('abort', leave);
    try {
      const link = await this.#reach(air, key, signal, steps);
      const { kept, pair, uses, until } = await this.#keyring.recall(key);
      hopeful = kept || pair !== null;
      talk = await this.#talk(link, key, kept, { onSignals, onClosed: () => { if (stays) onClosed?.(talk?.over?.fault ?? null); } });
      talk.onAsked = () => steps.at('asked');
      heed(signal);
      await talk.hello();
      steps.at('verifying');
      /** @type {'fast' | 'full'} */
      let road = 'full';
      /** @type {Answer & {list: number} | null} */
      let answer = null;
      if (pair && FAST_ACTIONS.includes(/** @type {1 | 2 | 3} */ (command.action))) {
        answer = await talk.hurry(pair, command, subscribe);
        if (answer && !isKeyRefusal(answer.outcome) && !isWaiting(answer.outcome)) {
          road = 'fast';
          await this.#keyring.remember(key, { pair, uses: uses + 1, until });
        }
      }
      const first = answer ?? await this.#full(talk, command, subscribe);
      const visit = new Visit(talk, key, this.#keyring, this.#api);
      const settled = road === 'fast' || talk.over ? first : await visit.settle(command, first);
      if (road === 'full' && talk.open && talk.pair) await this.#keyring.remember(key, { pair: talk.pair });
      const receipt = await quietly(visit.receipt(command, settled.receipt));
      await quietly(visit.carry(talk.result?.list ?? first.list)); // no door waits for it
      stays = stay && !talk.over && !talk.waiting;
      return { answer: { outcome: outcomeWord(settled.outcome), ok: isSuccess(settled.outcome), road, receipt, listCarried: visit.listCarried }, talk };
    } catch (error) {
      if (hopeful && talk?.refused) throw new Unkept();
      const fault = faultOf(error, { step: steps.now, number: command.number, mayHaveHappened: talk?.asked === true });
      throw signal?.aborted ? Object.assign(new Fault('cancelled'), { step: fault.step, number: fault.number, mayHaveHappened: fault.mayHaveHappened }) : fault;
    } finally {
      signal?.removeEventListener('abort', leave);
      if (!stays) await talk?.leave();
    }
  }

  /** @param {Talk} talk @param {Command} command @param {boolean} subscribe @returns {Promise<Answer & {list: number}>} */
  async #full(talk, command, subscribe) {
    const before = talk.asked;
    try {
      // The command rides in message_3; RESULT tells the newest receipt, which is its own if it left one.
      const result = await talk.full(command, subscribe);
      return { outcome: result.outcome, receipt: isWaiting(result.outcome) ? 0 : result.receipt, list: result.list };
    } catch (error) {
      if (talk.refused) talk.asked = before; // nothing was believed
      throw error;
    }
  }

  /** @param {string} vehicleId @returns {Promise<HeldKey>} */
  async #key(vehicleId) {
    const key = await this.#keyring.key(vehicleId);
    if (!key) throw new Fault('no_key', { detail: 'this device has no key of that car' });
    return key;
  }

  /** @param {Air} air @param {HeldKey} key @param {AbortSignal | null} signal @param {Steps} steps @returns {Promise<Link>} */
  async #reach(air, key, signal, steps) {
    steps.at('searching');
    heed(signal);
    const link = await air.open(key.vehicle, { signal });
    steps.at('near');
    return link;
  }

  /** @param {Link} link @param {HeldKey} key @param {boolean} kept @param {Listeners} listeners @returns {Promise<Talk>} */
  async #talk(link, key, kept, listeners) {
    try {
      const signer = await this.#keyring.device();
      /** @type {SessionKey} */
      const held = { vehicleId: key.vehicle.id, vehicleKey: key.vehicle.publicKey, token: key.cwt, keyId: idRaw('key', key.keyId), index: key.claims.index, kept, signer };
      return new Talk(link, held, { ...listeners, ticks: this.#ticks });
    } catch (error) {
      await link.close();
      throw error;
    }
  }
}

/** What was hoped for, a kept token or the fast path, is refused: now without. */
class Unkept extends Error {}

/** @param {AbortSignal | null} signal @param {Steps} steps @throws {Fault} cancelled */
function heedAt(signal, steps) {
  if (signal?.aborted) throw new Fault('cancelled', { step: steps.now });
}

class Steps {
  /** @type {TapStep} */
  now = 'searching';
  #tell;

  /** @param {(step: TapStep) => void} tell */
  constructor(tell) {
    this.#tell = tell;
  }

  /** @param {TapStep} step */
  at(step) {
    if (this.now === 'asked' && step === 'asked') return; // the same command again, with what the car had lacked
    this.now = step;
    this.#tell(step);
  }
}
