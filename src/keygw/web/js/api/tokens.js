// The grant of this installation: how it is come by, kept, and refreshed by one tab alone, for a refresh token is good once.

import { Fault } from '../fault.js';
import { read, send } from './exchange.js';

/** @import {Api} from './index.js' */

/** @typedef {{clientId: string, grantId: string, scope: string, access: string, refresh: string, expiresAt: number}} Held */

const PAIRING = 'urn:keygw:params:oauth:grant-type:pairing-code';
const INVITATION = 'urn:keygw:params:oauth:grant-type:invitation';
const EARLY_MS = 30_000;
const PENDING_MS = 1000;
const MOST_PENDING = 60;

export class Tokens {
  #api;
  #store;

  /** @param {Api} api @param {import('../store/index.js').Store} store */
  constructor(api, store) {
    this.#api = api;
    this.#store = store;
  }

  /** @returns {Promise<Held | undefined>} */
  held() {
    return this.#store.get('grant');
  }

  /** This installation, once (RFC 7591). @param {string} name @param {string} scope @returns {Promise<string>} its client_id */
  register(name, scope) {
    return this.#store.alone('client', async () => {
      const known = await this.#store.get('client');
      if (known?.scope === scope) return known.id;
      const made = await this.#api.open('/oauth2/register', { client_name: name, scope });
      await this.#store.put('client', { id: made.client_id, scope });
      return made.client_id;
    });
  }

  /**
   * By the code that the car shows; waits until the car has answered.
   * @param {{code: string, vehicleName: string, name: string, scope: string, signal?: AbortSignal | null}} wish @returns {Promise<Held>}
   */
  async enter({ code, vehicleName, name, scope, signal = null }) {
    let clientId = await this.register(name, scope);
    for (let asked = 0, again = false; ; asked += 1) {
      try {
        return await this.#take(clientId, await this.#ask({ grant_type: PAIRING, client_id: clientId, pairing_code: code, vehicle_name: vehicleName, scope }, signal));
      } catch (error) {
        if (!(error instanceof Fault)) throw error;
        if (error.code === 'invalid_client' && !again) { // a gateway that was set up anew
          again = true;
          await this.#store.drop('client');
          clientId = await this.register(name, scope);
          continue;
        }
        if ((error.code !== 'authorization_pending' && error.code !== 'slow_down') || asked >= MOST_PENDING) throw error;
        await pause(error.code === 'slow_down' ? 5 * PENDING_MS : PENDING_MS, signal);
      }
    }
  }

  /** By the link of an invitation. @param {{id: string, secret: string, name: string, scope: string}} wish @returns {Promise<Held>} */
  async enterInvited({ id, secret, name, scope }) {
    const clientId = await this.register(name, scope);
    return this.#take(clientId, await this.#ask({ grant_type: INVITATION, client_id: clientId, invitation_id: id, secret, scope }, null));
  }

  /** A token that is good for a while. @param {string} [stale] one that was refused @returns {Promise<string>} @throws {Fault} token_missing: nobody is in */
  async fresh(stale) {
    const good = (/** @type {Held | undefined} */ each) => each && each.access !== stale && Date.now() < each.expiresAt - EARLY_MS;
    const known = await this.held();
    if (known && good(known)) return known.access;
    return this.#store.alone('grant', async () => {
      const now = await this.held(); // another tab may have been first
      if (!now) throw new Fault('token_missing', { status: 401, detail: 'nobody has entered here' });
      if (good(now)) return now.access;
      const told = await this.#ask({ grant_type: 'refresh_token', client_id: now.clientId, refresh_token: now.refresh }, null);
      return (await this.#take(now.clientId, told)).access;
    });
  }

  /** Ends the grant, and forgets it. */
  async leave() {
    const now = await this.held();
    if (!now) return;
    await this.#post('/oauth2/revoke', { client_id: now.clientId, token: now.refresh }, null).finally(() => this.#store.drop('grant'));
  }

  /** @param {Record<string, string>} form @param {AbortSignal | null} signal @returns {Promise<any>} */
  #ask(form, signal) {
    return this.#post('/oauth2/token', form, signal);
  }

  /** @param {string} path @param {Record<string, string>} form @param {AbortSignal | null} signal @returns {Promise<any>} */
  async #post(path, form, signal) {
    for (let tried = 0; ; tried += 1) {
      const headers = { DPoP: await this.#api.proof('POST', path) };
      const answer = await send({ method: 'POST', url: this.#api.origin + path, headers, body: new URLSearchParams(form), signal });
      await this.#api.note(answer);
      try {
        return await read(answer);
      } catch (error) {
        if (!(error instanceof Fault) || error.code !== 'use_dpop_nonce' || tried) throw error;
      }
    }
  }

  /** @param {string} clientId @param {any} told @returns {Promise<Held>} */
  async #take(clientId, told) {
    const held = { clientId, grantId: told.grant_id, scope: told.scope, access: told.access_token, refresh: told.refresh_token, expiresAt: Date.now() + told.expires_in * 1000 };
    await this.#store.put('grant', held);
    return held;
  }
}

/** @param {number} ms @param {AbortSignal | null} [signal] @returns {Promise<void>} */
export function pause(ms, signal = null) {
  return new Promise((resolve, reject) => {
    const cancel = () => {
      clearTimeout(timer);
      reject(new Fault('cancelled'));
    };
    const timer = setTimeout(() => {
      signal?.removeEventListener('abort', cancel);
      resolve();
    }, ms);
    if (signal?.aborted) cancel();
    signal?.addEventListener('abort', cancel, { once: true });
  });
}
