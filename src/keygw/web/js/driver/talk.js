// One session over one link: cuts and joins frames, keeps the time, and gives each request its answer. What it does not do is
// decide what to ask.

import { Fault, faultOf } from '../fault.js';
import { SessionError } from '../session/errors.js';
import { Fragmenter, Reassembler } from '../session/frames.js';
import { Session } from '../session/session.js';

/** @import {Link} from '../link/port.js' */
/** @import {Bytes} from '../session/bytes.js' */
/** @import {Step, SessionEvent} from '../session/events.js' */
/** @import {FastPair} from '../session/fast.js' */
/** @import {Command, FastResult, Result, Response, Signal} from '../session/messages.js' */
/** @import {HeldKey as SessionKey} from '../session/session.js' */

/** @typedef {{accepts: (event: SessionEvent) => boolean, resolve: (event: any) => void, reject: (fault: Fault) => void, timer: ReturnType<typeof setTimeout>}} Waiter */
/** @typedef {{onSignals?: (signals: Signal[]) => void, onClosed?: (fault: Fault | null) => void, ticks?: () => number}} Listeners `ticks`: seconds that only grow */

const ANSWER_MS = 10_000;
const clock = () => performance.now() / 1000;

export class Talk {
  #link;
  #session;
  #cutter = new Fragmenter();
  #joiner = new Reassembler();
  /** @type {Waiter[]} */
  #waiters = [];
  /** @type {Promise<void>} */
  #sending = Promise.resolve();
  /** @type {Promise<void>} */
  #hearing = Promise.resolve();
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #timer;
  #listeners;
  #ticks;
  /** @type {{fault: Fault | null} | null} why it is over; `fault` is null where the key was refused, or we have left */
  over = null;
  /** The latest RESULT. @type {Result | null} */
  result = null;
  /** The pair that this session has left, once. @type {FastPair | null} */
  pair = null;
  /** Whether a command has left, so that it may be done. */
  asked = false;
  /** Told when one leaves. */
  onAsked = () => {};
  /** Whether message_3 carries one. */
  #riding = false;
  /** Whether the car has refused before it said anything (ERROR 1). */
  refused = false;

  /** @param {Link} link @param {SessionKey} key @param {Listeners} [listeners] @throws {SessionError} */
  constructor(link, key, listeners = {}) {
    this.#link = link;
    this.#listeners = listeners;
    this.#ticks = listeners.ticks ?? clock;
    this.#session = new Session({ key, info: link.info, now: this.#ticks(), link: link.link });
    const greeting = this.#expect((event) => event.kind === 'hello', ANSWER_MS);
    greeting.catch(() => undefined); // whoever asks for it hears
    this.#greeting = greeting;
    link.listen({
      frame: (frame) => { this.#hearing = this.#hearing.then(() => this.#heard(frame)); },
      ended: (fault) => { this.#hearing = this.#hearing.then(() => this.#lost(fault)); },
    });
    this.#wind();
  }

  /** @type {Promise<any>} */
  #greeting;

  get waiting() {
    return this.#session.waiting;
  }

  get open() {
    return !this.over && this.#session.state === 'OPEN' && !this.waiting;
  }

  /** Until the car has greeted. */
  async hello() {
    await this.#greeting;
  }

  /** The full handshake. @param {Command | null} command @param {boolean} subscribe @returns {Promise<Result>} */
  async full(command, subscribe) {
    const answer = this.#expect((event) => event.kind === 'result');
    this.#riding = command !== null;
    await this.#do(answer, () => this.#session.open({ command, subscribe }, this.#ticks()));
    return (await answer).result;
  }

  /** The fast path; null where it was refused, and the car has greeted again. @param {FastPair} pair @param {Command} command @param {boolean} subscribe @returns {Promise<FastResult | null>} */
  async hurry(pair, command, subscribe) {
    const answer = this.#expect((event) => event.kind === 'fast');
    this.#leaves();
    await this.#do(answer, () => this.#session.hurry(pair, command, subscribe, this.#ticks()));
    const { result } = await answer;
    if (result) return result;
    const greeting = this.#expect((event) => event.kind === 'hello');
    await this.#do(greeting, () => this.#session.helloAgain(this.#ticks()));
    await greeting;
    return null;
  }

  /** @param {Command} command @returns {Promise<Response>} */
  async command(command) {
    const answer = this.#expect((event) => event.kind === 'response' && event.response.number === command.number);
    this.#leaves();
    await this.#do(answer, () => this.#session.command(command, this.#ticks()));
    return (await answer).response;
  }

  /** @param {number} after @returns {Promise<{receipts: Bytes[], more: boolean}>} */
  async receipts(after) {
    const answer = this.#expect((event) => event.kind === 'receipts');
    await this.#do(answer, () => this.#session.receiptsAfter(after, this.#ticks()));
    return answer;
  }

  /** @param {number} sequence */
  async receiptsStored(sequence) {
    await this.#tell(await this.#session.receiptsStored(sequence, this.#ticks()));
  }

  /** @param {Bytes} signed @returns {Promise<Bytes>} the acknowledgement; a RESULT may come behind it */
  async pushList(signed) {
    const answer = this.#expect((event) => event.kind === 'listAck');
    await this.#do(answer, () => this.#session.pushList(signed, this.#ticks()));
    return (await answer).signed;
  }

  /** @returns {Promise<Bytes>} empty where there never was one */
  async getList() {
    const answer = this.#expect((event) => event.kind === 'list');
    await this.#do(answer, () => this.#session.getList(this.#ticks()));
    return (await answer).signed;
  }

  /** @param {Bytes[]} statements @returns {Promise<Bytes>} the acknowledgement */
  async bringIssuerKeys(statements) {
    const answer = this.#expect((event) => event.kind === 'issuerKeyAck');
    await this.#do(answer, () => this.#session.bringIssuerKeys(statements, this.#ticks()));
    return (await answer).signed;
  }

  /** @param {Bytes} signed @returns {Promise<Result>} */
  async proveTime(signed) {
    const answer = this.#expect((event) => event.kind === 'result');
    await this.#do(answer, () => this.#session.proveTime(signed, this.#ticks()));
    return (await answer).result;
  }

  /** @param {[Bytes, Bytes][]} chain @returns {Promise<Result>} */
  async putChain(chain) {
    const answer = this.#expect((event) => event.kind === 'result');
    await this.#do(answer, () => this.#session.putChain(chain, this.#ticks()));
    return (await answer).result;
  }

  /** Leaves, and lets the link go. Never throws. */
  async leave() {
    if (!this.over) await this.#tell(await this.#session.leave());
    await this.#sending;
    clearTimeout(this.#timer);
    await this.#link.close();
  }

  /** From here on it may happen. */
  #leaves() {
    this.#riding = false;
    this.asked = true;
    this.onAsked();
  }

  /** The next event that fits. @param {(event: SessionEvent) => boolean} accepts @param {number} [ms] @returns {Promise<any>} */
  #expect(accepts, ms = ANSWER_MS) {
    return new Promise((resolve, reject) => {
      if (this.over) {
        reject(this.#end());
        return;
      }
      const timer = setTimeout(() => this.#fail(new SessionError('timed_out', 'the vehicle does not answer')), ms);
      this.#waiters.push({ accepts, resolve, reject, timer });
    });
  }

  /** Sends, beside a wait that must not be forgotten if it fails. @param {Promise<any>} answer @param {() => Promise<Step>} act */
  async #do(answer, act) {
    answer.catch(() => undefined);
    await this.#tell(await act());
  }

  /** @param {Bytes} frame */
  async #heard(frame) {
    try {
      const message = this.#joiner.push(frame, this.#session.limit, this.#ticks());
      if (message) {
        const step = await this.#session.receive(message, this.#ticks());
        if (this.#riding && this.#session.state === 'SHOWN') this.#leaves(); // with message_3, which is sent now
        await this.#tell(step);
      }
    } catch (error) {
      if (!(error instanceof SessionError)) throw error;
      await this.#fail(error);
    }
    this.#wind();
  }

  /** @param {SessionError} error */
  async #fail(error) {
    await this.#tell(await this.#session.fail(error));
  }

  /** @param {Fault} fault of the link */
  async #lost(fault) {
    await this.#session.fail(new SessionError('link_lost', fault.message));
    this.#close(fault);
  }

  /** @param {Step} step */
  async #tell({ send, events }) {
    for (const message of send) {
      this.#sending = this.#sending.then(() => this.#send(message)).catch((error) => this.#lost(faultOf(error, {})));
    }
    for (const event of events) {
      if (event.kind === 'closed') this.#closed(event.error);
      else this.#note(event);
    }
    await this.#sending;
    this.#wind();
  }

  /** @param {Bytes} message */
  async #send(message) {
    const frames = this.#cutter.cut(message, this.#link.maxFrame);
    for (const [i, frame] of frames.entries()) await this.#link.send(frame, i === frames.length - 1);
  }

  /** @param {SessionEvent} event */
  #note(event) {
    if (event.kind === 'result') {
      this.result = event.result;
      this.pair = event.pair ?? this.pair;
    }
    if (event.kind === 'signals') this.#listeners.onSignals?.(event.signals);
    const at = this.#waiters.findIndex(({ accepts }) => accepts(event));
    if (at < 0) return;
    const [{ resolve, timer }] = this.#waiters.splice(at, 1);
    clearTimeout(timer);
    resolve(event);
  }

  /** @param {SessionError | null} error */
  #closed(error) {
    this.refused = error?.code === 'refused';
    const code = error?.code === 'timed_out' ? 'link_timeout' : error?.code;
    this.#close(error && new Fault(/** @type {string} */ (code), { detail: error.message, retryable: code === 'link_timeout' || code === 'session_over' }));
  }

  /** @param {Fault | null} fault */
  #close(fault) {
    if (this.over) return;
    this.over = { fault };
    clearTimeout(this.#timer);
    for (const { reject, timer } of this.#waiters.splice(0)) {
      clearTimeout(timer);
      reject(this.#end());
    }
    this.#listeners.onClosed?.(fault);
    void this.#sending.then(() => this.#link.close());
  }

  /** A fresh copy for each that hears it. */
  #end() {
    const { fault } = /** @type {{fault: Fault | null}} */ (this.over);
    const { code = 'session_over', message = 'the session is over', retryable = false } = fault ?? {};
    return new Fault(code, { detail: message, retryable, mayHaveHappened: this.asked });
  }

  /** Looks at the clock when the next deadline is there. */
  #wind() {
    clearTimeout(this.#timer);
    if (this.over) return;
    const at = Math.min(this.#session.deadline, this.#joiner.deadline ?? Infinity);
    this.#timer = setTimeout(() => { this.#hearing = this.#hearing.then(() => this.#tick()); }, Math.max(0, (at - this.#ticks()) * 1000) + 5);
  }

  async #tick() {
    const late = this.#joiner.deadline;
    if (late !== null && this.#ticks() > late) await this.#fail(new SessionError('timed_out', 'too long between two frames'));
    else await this.#tell(await this.#session.tick(this.#ticks()));
  }
}
