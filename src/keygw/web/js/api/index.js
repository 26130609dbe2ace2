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
/** So long a nonce of the gateway's counts at least. */
const NONCE_MS = 290_000;

export class Api {
  #keyring;
  #tokens;
  #store;
  /** What this page has heard last. @type {{value: string, at: number} | null} */
  #nonce = null;

  /** @param {{store: Store, origin?: string, name?: string}} setting `name`: of this app, as people see it */
  constructor({ store, origin = location.origin, name = 'keygw in a browser' }) {
    this.origin = origin;
    this.name = name;
    this.#store = store;
    this.#keyring = new Keyring(store);
    this.#tokens = new Tokens(this, store);
  }

  /** @returns {Promise<Held | undefined>} who is in here, if anybody */
  held() {
    return this.#tokens.held();
  }

  /** This installation, once (RFC 7591), for the most that it will ask. @param {string} scope @returns {Promise<string>} its client_id */
  register(scope) {
    return this.#tokens.register(this.name, scope);
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
    return prove(keys, { method, url: this.origin + path, access, nonce: await this.#nonceNow(), now: Date.now() / 1000 });
  }

  /** Keeps the nonce that comes with an answer: for other tabs too, and for the next page. @param {Response} answer */
  async note(answer) {
    const value = answer.headers.get('DPoP-Nonce');
    if (!value || value === this.#nonce?.value) return;
    this.#nonce = { value, at: Date.now() };
    await this.#store.put('nonce', this.#nonce);
  }

  /** The newest that any tab has heard; null where the next request will be told one. @returns {Promise<string | null>} */
  async #nonceNow() {
    const counts = (/** @type {{at: number} | null | undefined} */ each) => each && Date.now() - each.at < NONCE_MS;
    if (!counts(this.#nonce)) this.#nonce = (await this.#store.get('nonce')) ?? null;
    return counts(this.#nonce) ? (this.#nonce?.value ?? null) : null;
  }

  /** An answer that is not about the token. Where no nonce is known, one request goes before all others, to hear it. @param {string} method @param {string} path @param {Manner} [manner] @returns {Promise<Response>} */
  async ask(method, path, manner) {
    if (await this.#nonceNow()) return this.#ask(method, path, manner);
    return this.#store.alone('nonce', () => this.#ask(method, path, manner));
  }

  /** @param {string} method @param {string} path @param {Manner} [manner] @returns {Promise<Response>} */
  async #ask(method, path, { body, headers = {}, signal = null, wait = 0, endless = false } = {}) {
    let stale;
    for (let tried = 1; ; tried += 1) {
      const access = await this.fresh(stale);
      const all = {
        ...headers, Authorization: `DPoP ${access}`, DPoP: await this.proof(method, path, access),
        ...(wait ? { Prefer: `wait=${wait}` } : {}), ...(body === undefined ? {} : { 'Content-Type': 'application/json' }),
      };
      const answer = await send({ method, url: this.origin + path, headers: all, body: body === undefined ? null : JSON.stringify(body), signal, wait, endless });
      await this.note(answer);
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
    await this.note(answer);
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
