// One conversation with the car: the session over a link, message by message. Whoever waits is told of the end at once.

import { LINK } from '../../js/session/codes.js';
import { Fragmenter, Reassembler } from '../../js/session/frames.js';
import { SessionError } from '../../js/session/errors.js';
import { Session } from '../../js/session/index.js';
import { Fault } from './fault.js';

/** @import {Link} from './relay.js' */
/** @import {Step} from '../../js/session/events.js' */

export const ANSWER_MS = 4000;
const now = () => performance.now() / 1000;

export class Talk {
  /** Whether a command may have left: from then on it may have happened. */
  asked = false;
  /** @type {Map<string, {resolve: (event: any) => void, reject: (fault: Fault) => void}>} */
  #waiting = new Map();
  /** @type {any[]} */
  #unread = [];
  /** @type {Fault | null} */
  #over = null;
  #link;
  #fragments = new Fragmenter();
  #whole = new Reassembler();
  #turn = Promise.resolve();

  /**
   * @param {Link} link @param {import('../../js/session/session.js').HeldKey} key @param {boolean} direct
   * @param {(signals: any[]) => void} onSignals @param {() => void} onAsked
   */
  constructor(link, key, direct, onSignals, onAsked) {
    this.#link = link;
    this.onSignals = onSignals;
    this.onAsked = onAsked;
    try {
      this.session = new Session({ key, info: link.info, now: now(), link: direct ? LINK.DIRECT : LINK.RELAYED });
    } catch (error) {
      throw faultOf(error, false);
    }
    link.onEnd((fault) => this.#end(fault));
    link.onFrame((frame) => this.#frame(frame));
  }

  get over() {
    return this.#over !== null;
  }

  /** @param {string} kind of event @param {number} [ms] @returns {Promise<any>} the next of its kind, or one that was not read yet */
  next(kind, ms = ANSWER_MS) {
    const place = this.#unread.findIndex((event) => event.kind === kind);
    if (place >= 0) return Promise.resolve(this.#unread.splice(place, 1)[0]);
    if (this.#over) return Promise.reject(this.#over);
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => { this.#waiting.delete(kind); reject(new Fault('link_timeout', { unsure: this.asked })); }, ms);
      const done = (/** @type {(value: any) => void} */ settle) => (/** @type {any} */ value) => { clearTimeout(timer); settle(value); };
      this.#waiting.set(kind, { resolve: done(resolve), reject: done(reject) });
    });
  }

  /** Sends what the session gives, and waits for the answer. @param {string} kind @param {(now: number) => Promise<Step>} make @returns {Promise<any>} */
  async exchange(kind, make) {
    const waiting = this.next(kind);
    waiting.catch(() => undefined); // told again below
    try {
      await this.#carry(await make(now()));
    } catch (error) {
      this.#end(faultOf(error, this.asked));
    }
    return waiting;
  }

  async close() {
    if (!this.#over) await this.#carry(await this.session.leave()).catch(() => undefined);
    this.#end(new Fault('link_lost'));
    this.#link.close();
  }

  /** @param {Uint8Array<ArrayBuffer>} frame */
  #frame(frame) {
    this.#turn = this.#turn.then(async () => {
      if (this.#over) return;
      const message = this.#whole.push(frame, this.session.limit, now());
      if (!message) return;
      const step = await this.session.receive(message, now());
      if (this.session.state === 'SHOWN') this.note();
      await this.#carry(step);
    }).catch((error) => this.#end(faultOf(error, this.asked)));
  }

  /** A command leaves with what is sent next. */
  note() {
    if (this.asked) return;
    this.asked = true;
    this.onAsked();
  }

  /** @param {Step} step */
  async #carry(step) {
    for (const message of step.send) for (const frame of this.#fragments.cut(message, this.#link.maxFrame)) await this.#link.send(frame);
    for (const event of step.events) {
      if (event.kind === 'signals') this.onSignals(event.signals);
      else if (event.kind === 'closed') this.#end(event.error ? faultOf(event.error, this.asked) : new Fault('session_over'));
      else {
        const waiter = this.#waiting.get(event.kind);
        this.#waiting.delete(event.kind);
        if (waiter) waiter.resolve(event);
        else this.#unread.push(event);
      }
    }
  }

  /** @param {Fault} fault */
  #end(fault) {
    if (this.#over) return;
    this.#over = new Fault(fault.code, { unsure: fault.unsure || this.asked });
    for (const { reject } of this.#waiting.values()) reject(this.#over);
    this.#waiting.clear();
    this.#link.close();
  }
}

/** @param {unknown} error @param {boolean} unsure */
const faultOf = (error, unsure) => (error instanceof Fault ? error : new Fault(error instanceof SessionError ? error.code : 'internal', { unsure, detail: String(error) }));
