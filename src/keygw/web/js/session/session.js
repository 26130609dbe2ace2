// The device's side of one key session: no link, no clock, no storage (protocols/key_session). Messages go in, messages
// and events come out. Calls are taken one after the other, whatever is awaited.

import { answerOf } from './answers.js';
import { Awaited, wantsChain } from './awaited.js';
import { concat, utf8 } from './bytes.js';
import { Deadlines } from './clock.js';
import { ERROR, FAST_ACTIONS, isKeyRefusal, isWaiting, LINK, TYPE } from './codes.js';
import { credentialOfVehicle, Initiator, kidOfIndex } from './edhoc.js';
import { breach, SessionError } from './errors.js';
import { fast } from './fast.js';
import { AFTER_AUTHENTICATION, BEFORE_AUTHENTICATION } from './frames.js';
import { idRaw } from './ids.js';
import * as forms from './messages.js';
import { expand, freshEphemeral } from './primitives.js';
import { Requests } from './requests.js';
import { show } from './shown.js';
import { step } from './states.js';

/** @import {Bytes} from './bytes.js' */
/** @import {Channel} from './channel.js' */
/** @import {Step, SessionEvent} from './events.js' */
/** @import {FastPair} from './fast.js' */
/** @import {Command, Hello} from './messages.js' */
/** @import {Point, Signer} from './p256.js' */
/** @import {State} from './states.js' */

/**
 * The key that the device holds. `token`: its CWT, checked; `keyId`: raw `cti`; `kept`: a RESULT has accepted this very token.
 * @typedef {{vehicleId: string, vehicleKey: Point, token: Bytes, keyId: Bytes, index: number, kept: boolean, signer: Signer}} HeldKey
 */
/** @typedef {{command: Command | null, subscribe: boolean}} Opening */

export class Session extends Requests {
  /** @type {State} */
  state = 'SILENT';
  /** Whether only what may turn the verdict on the key is served. */
  waiting = false;
  /** @type {Hello | null} */
  hello = null;
  /** @type {Channel | null} */
  channel = null;
  /** @type {Initiator | null} */
  handshake = null;
  #key;
  #info;
  #link;
  #ephemeral;
  #deadlines;
  #awaited = new Awaited();
  /** @type {Opening} */
  #opening = { command: null, subscribe: false };
  /** @type {FastPair | null} */
  #pair = null;
  /** @type {Bytes | null} */
  #rangeKey = null;
  #authenticated = false;
  #fastRefused = false;
  /** @type {number | null} */
  #verdict = null;
  /** @type {Promise<unknown>} */
  #turn = Promise.resolve();

  /**
   * @param {{key: HeldKey, info: Bytes, now: number, link?: number, ephemeral?: typeof freshEphemeral}} setting
   * `info`: what INFO gave, its very bytes; `now`: seconds of a clock that never goes back
   * @throws {SessionError} breach, version_unsupported
   */
  constructor({ key, info, now, link = LINK.DIRECT, ephemeral = freshEphemeral }) {
    super();
    const { versions } = forms.readInfo(info);
    if (!versions.includes(forms.VERSION)) throw new SessionError('version_unsupported', 'the vehicle speaks no version that we do');
    this.#key = key;
    this.#info = info;
    this.#link = link;
    this.#ephemeral = ephemeral;
    this.#deadlines = new Deadlines(now);
  }

  /** When the session is over unless something happens, in seconds of the caller's clock. */
  get deadline() {
    return this.#deadlines.at;
  }

  /** Most bytes of a message that may come now. */
  get limit() {
    return this.#authenticated ? AFTER_AUTHENTICATION : BEFORE_AUTHENTICATION;
  }

  /** Asks for another HELLO, before message_1 or after a refused FAST. @param {number} now @returns {Promise<Step>} */
  helloAgain(now) {
    return this.#act(now, TYPE.HELLO_REQ, async () => {
      [this.channel, this.hello, this.#authenticated, this.#fastRefused] = [null, null, false, false];
      this.#awaited = new Awaited();
      return Uint8Array.of(TYPE.HELLO_REQ);
    });
  }

  /** The full handshake, with a first command or none. @param {Opening} opening @param {number} now */
  open(opening, now) {
    return this.#act(now, TYPE.MESSAGE_1, async () => {
      const { vehicleId, vehicleKey, token, index, kept, signer } = this.#key;
      const credR = credentialOfVehicle(vehicleId, vehicleKey);
      const kid = kept ? kidOfIndex(index) : null;
      this.#opening = opening;
      this.handshake = new Initiator({ ephemeral: await this.#ephemeral(), credR, vehicleKey, token, kid, signer });
      return concat(Uint8Array.of(TYPE.MESSAGE_1), this.handshake.message1);
    });
  }

  /** The fast path. @param {FastPair} pair @param {Command} command @param {boolean} subscribe @param {number} now */
  hurry(pair, command, subscribe, now) {
    if (!FAST_ACTIONS.includes(/** @type {1 | 2 | 3} */ (command.action))) return Promise.reject(new SessionError('misuse', 'not an action of the fast path'));
    return this.#act(now, TYPE.FAST, async () => {
      const hello = /** @type {Hello} */ (this.hello);
      const setting = { vehicle: idRaw('veh', this.#key.vehicleId), greeting: concat(this.#info, hello.body), gV: hello.gV };
      const done = await fast({ ...setting, pair, ephemeral: await this.#ephemeral(), command, subscribe, link: this.#link });
      this.channel = done.channel;
      return done.message;
    });
  }

  /** @param {[Bytes, Bytes][]} chain grant and parent's token, the nearest first @param {number} now */
  putChain(chain, now) {
    const body = () => forms.writeChain(chain);
    return this.request(TYPE.CRED_PUT, body, now, () => {
      if (!wantsChain(this.#verdict)) throw new SessionError('misuse', 'nobody has asked for the chain');
      this.#verdict = null; // one chain for each time that it is asked for
    });
  }

  /** @param {number} round from 1, counting up @param {number} method @param {number} now */
  range(round, method, now) {
    const body = () => forms.writeRanging(round, method);
    return this.request(TYPE.RANGE, body, now, () => this.#awaited.askedRange(round, method));
  }

  /** The key of a ranging round, for the radio; 16 bytes. @param {number} round @param {number} method */
  async roundKey(round, method) {
    if (!this.#rangeKey) throw new SessionError('misuse', 'only an open session ranges');
    return expand(this.#rangeKey, concat(utf8('keygw range'), Uint8Array.of(method), new Uint8Array(new Uint32Array([round]).buffer).reverse()), 16);
  }

  /** Leaves. @returns {Promise<Step>} */
  leave() {
    return this.#next(async () => (this.state === 'CLOSED' ? { send: [], events: [] } : this.#close(null, true)));
  }

  /** Looks at the clock: ends what has lasted too long. @param {number} now @returns {Promise<Step>} */
  tick(now) {
    return this.#next(async () => {
      const late = this.state !== 'CLOSED' && now >= this.#deadlines.at;
      return late ? this.#close(new SessionError('timed_out', 'the session has lasted too long'), true) : { send: [], events: [] };
    });
  }

  /** The link is gone, or its frames are wrong. @param {SessionError} error @returns {Promise<Step>} */
  fail(error) {
    return this.#next(async () => (this.state === 'CLOSED' ? { send: [], events: [] } : this.#close(error, error.code !== 'link_lost')));
  }

  /**
   * A whole message of the vehicle. Never throws for what the peer did: a breach closes the session.
   * @param {Bytes} message @param {number} now @returns {Promise<Step>}
   */
  receive(message, now) {
    return this.#next(async () => {
      if (this.state === 'CLOSED') return { send: [], events: [] };
      try {
        if (now >= this.#deadlines.at) throw new SessionError('timed_out', 'the vehicle was too slow');
        return await this.#heard(message, now);
      } catch (error) {
        if (!(error instanceof SessionError)) throw error;
        return this.#close(error, error.code !== 'version_unsupported');
      }
    });
  }

  /** One call after the other. @template T @param {() => Promise<T>} call @returns {Promise<T>} */
  #next(call) {
    const turn = this.#turn.then(call);
    this.#turn = turn.catch(() => undefined);
    return turn;
  }

  /** Sends what the table of states draws from here. @param {number} now @param {number} type @param {() => Promise<Bytes>} make @returns {Promise<Step>} */
  #act(now, type, make) {
    return this.#next(async () => {
      const next = step(this.state, 'up', type);
      if (!next || (this.#fastRefused && type !== TYPE.HELLO_REQ)) throw new SessionError('misuse', `no place for this message in state ${this.state}`);
      if (this.state === 'QUICK' && type === TYPE.HELLO_REQ && !this.#fastRefused) throw new SessionError('misuse', 'FAST was not refused');
      if (now >= this.#deadlines.at) return this.#close(new SessionError('timed_out', 'the session has lasted too long'), true);
      try {
        const send = [await make()];
        this.#move(next, now);
        return { send, events: [] };
      } catch (error) {
        if (error instanceof SessionError && error.code === 'breach') return this.#close(error, true);
        throw error;
      }
    });
  }

  /** @param {number} type @param {() => Bytes} body @param {number} now @param {(awaited: Awaited) => void} [note] @returns {Promise<Step>} @override */
  request(type, body, now, note) {
    return this.#act(now, type, async () => {
      const plain = body();
      if (plain.length + 17 > AFTER_AUTHENTICATION) throw new SessionError('misuse', 'larger than a message may be');
      note?.(this.#awaited);
      this.#awaited.asked(type);
      return /** @type {Channel} */ (this.channel).seal(type, plain);
    });
  }

  /** @param {State} next @param {number} now */
  #move(next, now) {
    const from = this.state;
    this.state = next;
    this.#deadlines.moved(from, next, now);
  }

  /** @param {SessionError | null} error @param {boolean} tell @returns {Step} */
  #close(error, tell) {
    this.state = 'CLOSED';
    this.waiting = false;
    [this.channel, this.#pair, this.#rangeKey] = [null, null, null];
    const code = this.#authenticated && error?.code !== 'breach' ? ERROR.SESSION_OVER : ERROR.REFUSED;
    return { send: tell ? [Uint8Array.of(TYPE.ERROR, code)] : [], events: [{ kind: 'closed', error }] };
  }

  /** @param {Bytes} message @param {number} now @returns {Promise<Step>} */
  async #heard(message, now) {
    if (message.length === 0 || message.length > this.limit) throw breach('a message of a wrong size');
    const [type, body] = [message[0], message.slice(1)];
    if (type === TYPE.ERROR) return this.#close(this.#errorOf(body), false);
    const next = step(this.state, 'down', type);
    if (!next || this.#fastRefused) throw breach(`message ${type.toString(16)} has no place in state ${this.state}`);
    if (type === TYPE.HELLO) {
      this.hello = forms.readHello(body);
      this.#move(next, now);
      return { send: [], events: [{ kind: 'hello', hello: this.hello }] };
    }
    if (type === TYPE.MESSAGE_2) return this.#proven(body, now);
    if (type === TYPE.FAST_RESULT) return this.#fastResult(body, now);
    const plain = await /** @type {Channel} */ (this.channel).open(type, body);
    if (type === TYPE.RESULT) return this.#result(plain, next, now);
    return { send: [], events: [answerOf(type, plain, this.#awaited)] };
  }

  /** @param {Bytes} body */
  #errorOf(body) {
    if (body.length !== 1) return breach('an ERROR of another size');
    const over = body[0] !== ERROR.REFUSED;
    return new SessionError(over ? 'session_over' : 'refused', over ? 'the vehicle has ended the session' : 'the vehicle refuses');
  }

  /** message_2: the vehicle is the one that is meant. @param {Bytes} body @param {number} now @returns {Promise<Step>} */
  async #proven(body, now) {
    const handshake = /** @type {Initiator} */ (this.handshake);
    const hello = /** @type {Hello} */ (this.hello);
    await handshake.message2(body);
    this.#move('PROVEN', now);
    const { command, subscribe } = this.#opening;
    const said = { vehicleId: this.#key.vehicleId, keyId: this.#key.keyId, info: this.#info, hello, link: this.#link, subscribe, command };
    const shown = await show(handshake, said);
    [this.channel, this.#pair, this.#rangeKey] = [shown.channel, shown.pair, shown.rangeKey];
    this.#move('SHOWN', now);
    return { send: [concat(Uint8Array.of(TYPE.MESSAGE_3), shown.message3)], events: [] };
  }

  /** @param {Bytes} plain @param {State} next @param {number} now @returns {Step} */
  #result(plain, next, now) {
    const result = forms.readResult(plain);
    const first = this.state === 'SHOWN';
    if (result.number !== (first ? (this.#opening.command?.number ?? null) : null)) throw breach('a RESULT of another number');
    if (!first && !this.#awaited.take(TYPE.RESULT) && !this.waiting) throw breach('a RESULT that nobody asked for');
    this.#authenticated = true;
    if (first) this.#move(next, now);
    [this.waiting, this.#verdict] = [isWaiting(result.outcome), result.outcome];
    const refused = isKeyRefusal(result.outcome);
    const pair = refused || this.waiting ? null : this.#pair;
    if (pair) this.#pair = null;
    /** @type {SessionEvent[]} */
    const events = [{ kind: 'result', result, waiting: this.waiting, pair }];
    return refused ? { send: [], events: [...events, ...this.#close(null, false).events] } : { send: [], events };
  }

  /** @param {Bytes} body @param {number} now @returns {Promise<Step>} */
  async #fastResult(body, now) {
    if (body.length !== 25) throw breach('a FAST_RESULT of another size');
    const plain = await /** @type {Channel} */ (this.channel).tryOpen(TYPE.FAST_RESULT, body);
    this.#move('QUICK', now);
    if (!plain) {
      [this.#fastRefused, this.channel] = [true, null];
      this.#deadlines.refused();
      return { send: [], events: [{ kind: 'fast', result: null }] };
    }
    this.#authenticated = true;
    const result = forms.readFastResult(plain);
    /** @type {SessionEvent[]} */
    const events = [{ kind: 'fast', result }];
    const over = isKeyRefusal(result.outcome) || isWaiting(result.outcome);
    return { send: [], events: over ? [...events, ...this.#close(null, false).events] : events };
  }
}
