// The gateway's API for a browser: tokens bound to a key that nobody can read out (RFC 9449), a proof for each request. No
// secret is ever in a URL.

import { Fault } from '../fault.js';
import { Keyring } from '../store/keyring.js';
import { toBase64url } from '../session/bytes.js';
import { prove } from './dpop.js';
import { follow } from './events.js';
import { read, send } from './exchange.js';
import { Tokens } from './tokens.js';

/** @import {Bytes} from '../session/bytes.js' */
/** @import {CarriedList} from '../store/keyring.js' */
/** @import {Store} from '../store/index.js' */
/** @import {Held} from './tokens.js' */
/** @import {KeygwEvent, Following} from './events.js' */

/** `wait`: seconds for `Prefer: wait`. @typedef {{body?: unknown, headers?: Record<string, string>, signal?: AbortSignal | null, wait?: number, endless?: boolean}} Manner */

const TRIES = 3;

export class Api {
  #keyring;
  #tokens;
  /** @type {string | null} */
  #nonce = null;

  /** @param {{store: Store, origin?: string, name?: string}} setting `name`: of this app, as people see it */
  constructor({ store, origin = location.origin, name = 'keygw in a browser' }) {
    this.origin = origin;
    this.name = name;
    this.#keyring = new Keyring(store);
    this.#tokens = new Tokens(this, store);
  }

  /** @returns {Promise<Held | undefined>} who is in here, if anybody */
  held() {
    return this.#tokens.held();
  }

  /** @param {string} code that the car shows @param {string} vehicleName @param {{scope: string, signal?: AbortSignal | null}} wish @returns {Promise<Held>} */
  enter(code, vehicleName, { scope, signal = null }) {
    return this.#tokens.enter({ code, vehicleName, name: this.name, scope, signal });
  }

  /** @param {string} id @param {string} secret of the invitation's link @param {{scope: string}} wish @returns {Promise<Held>} */
  enterByInvitation(id, secret, { scope }) {
    return this.#tokens.enterInvited({ id, secret, name: this.name, scope });
  }

  leave() {
    return this.#tokens.leave();
  }

  /** @param {string} [stale] a token that was refused @returns {Promise<string>} one that is good for a while */
  fresh(stale) {
    return this.#tokens.fresh(stale);
  }

  /** @param {string} method @param {string} path @param {string} [access] @returns {Promise<string>} for a header, or the first word on a socket */
  async proof(method, path, access) {
    const keys = await this.#keyring.pair('dpop');
    return prove(keys, { method, url: this.origin + path, access, nonce: this.#nonce, now: Date.now() / 1000 });
  }

  /** Keeps the nonce that comes with an answer. @param {Response} answer */
  note(answer) {
    this.#nonce = answer.headers.get('DPoP-Nonce') ?? this.#nonce;
  }

  /** An answer that is not about the token. @param {string} method @param {string} path @param {Manner} [manner] @returns {Promise<Response>} */
  async ask(method, path, { body, headers = {}, signal = null, wait = 0, endless = false } = {}) {
    let stale;
    for (let tried = 1; ; tried += 1) {
      const access = await this.fresh(stale);
      const all = {
        ...headers, Authorization: `DPoP ${access}`, DPoP: await this.proof(method, path, access),
        ...(wait ? { Prefer: `wait=${wait}` } : {}), ...(body === undefined ? {} : { 'Content-Type': 'application/json' }),
      };
      const answer = await send({ method, url: this.origin + path, headers: all, body: body === undefined ? null : JSON.stringify(body), signal, wait, endless });
      this.note(answer);
      const told = answer.headers.get('WWW-Authenticate') ?? '';
      if (answer.status !== 401 || tried === TRIES || !/invalid_token|use_dpop_nonce/.test(told)) return answer;
      if (told.includes('invalid_token')) stale = access;
      await answer.body?.cancel();
    }
  }

  /** @param {string} method @param {string} path with its query @param {Manner} [manner] @returns {Promise<{status: number, body: any, headers: Headers}>} @throws {Fault} */
  async call(method, path, manner) {
    const answer = await this.ask(method, path, manner);
    return { status: answer.status, body: await read(answer), headers: answer.headers };
  }

  /** Without a token: with what the body itself proves. @param {string} path @param {unknown} body @returns {Promise<any>} @throws {Fault} */
  async open(path, body) {
    const answer = await send({ method: 'POST', url: this.origin + path, headers: { 'Content-Type': 'application/json' }, body: JSON.stringify(body) });
    this.note(answer);
    return read(answer);
  }

  /** @param {string} vehicleId @param {string} action @param {{key?: string, wait?: number, signal?: AbortSignal | null}} [manner] `key`: for a wish that survives the page @returns {Promise<any>} the command */
  async command(vehicleId, action, { key = idempotencyKey(), wait = 10, signal = null } = {}) {
    for (let tried = 1; ; tried += 1) {
      try {
        return (await this.call('POST', `/v1/vehicles/${vehicleId}/commands`, { body: { action }, headers: { 'Idempotency-Key': key }, wait, signal })).body;
      } catch (error) {
        const unheard = error instanceof Fault && (error.code === 'no_gateway' || error.code === 'gateway_timeout');
        if (!unheard || tried === TRIES) throw error; // the same wish under the same key is carried out once
      }
    }
  }

  /** @param {string} vehicleId @param {Bytes} nonce of the car @returns {Promise<{proof: string, revocation_list: CarriedList}>} */
  async timeProof(vehicleId, nonce) {
    return (await this.call('POST', `/v1/vehicles/${vehicleId}/time-proofs`, { body: { nonce: toBase64url(nonce) } })).body;
  }

  /** Hands in what cars have signed for their lists. @param {Keyring} keyring @returns {Promise<number>} how many were taken */
  async giveAcks(keyring) {
    let given = 0;
    for (const { vehicleId, ack } of await keyring.acks()) {
      try {
        await this.call('POST', `/v1/vehicles/${vehicleId}/revocation-acks`, { body: { ack } });
        given += 1;
      } catch (error) {
        if (!(error instanceof Fault) || error.retryable || error.status === 0 || error.status === 401) throw error; // later
      }
      await keyring.ackGiven(vehicleId, ack); // one that is refused will not be better tomorrow
    }
    return given;
  }

  /** Everything that happens, until `signal`; comes back by itself where it was. @param {Following} how @param {(event: KeygwEvent) => void} onEvent @returns {Promise<void>} */
  events(how, onEvent) {
    return follow(this, how, onEvent);
  }
}

export const idempotencyKey = () => toBase64url(crypto.getRandomValues(new Uint8Array(16)));
