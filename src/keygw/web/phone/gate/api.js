// The gateway's API under tokens that are bound to a key of this browser (RFC 9449): a proof for each request, the
// gateway's nonce in it, refreshed in time and by one tab alone, for a refresh token is good once.

import { toBase64url, utf8 } from '../../js/session/bytes.js';
import { sha256 } from '../../js/session/primitives.js';
import * as db from './db.js';
import { Fault } from './fault.js';

/** @typedef {{clientId: string, grantId: string, scope: string, access: string, refresh: string, expiresAt: number}} Held */

const PAIRING = 'urn:keygw:params:oauth:grant-type:pairing-code';
const INVITED = 'urn:keygw:params:oauth:grant-type:invitation';
export const OWNER = 'vehicle.read status.security.read status.energy.read command.lock command.unlock command.trunk command.lights command.start key.read key.share key.manage';
export const GUEST = 'vehicle.read status.security.read status.energy.read command.lock command.unlock command.trunk command.lights command.start key.read';
const EARLY_MS = 30_000;
const ANSWER_MS = 30_000;
const PENDING_MS = 1000;
const MOST_PENDING = 30;
const base = () => location.origin;
const NONCE = 'keygw.nonce';
/** So long a nonce of the gateway's counts at least. */
const NONCE_MS = 290_000;

/** The newest that any tab has heard; null where the next request will be told one. @returns {string | null} */
function nonceNow() {
  const [nonce, at] = JSON.parse(localStorage.getItem(NONCE) ?? '[]');
  return nonce && Date.now() - at < NONCE_MS ? nonce : null;
}

/** @param {string} method @param {string} path @param {string} [access] @returns {Promise<string>} a DPoP proof */
export async function proof(method, path, access) {
  const keys = await db.pair('dpop');
  const { x, y } = await crypto.subtle.exportKey('jwk', keys.publicKey);
  const header = { typ: 'dpop+jwt', alg: 'ES256', jwk: { kty: 'EC', crv: 'P-256', x, y } };
  const claims = {
    jti: toBase64url(crypto.getRandomValues(new Uint8Array(16))), htm: method, htu: base() + path.split('?')[0], iat: Math.floor(Date.now() / 1000),
    ...(nonceNow() ? { nonce: nonceNow() } : {}), ...(access ? { ath: toBase64url(await sha256(utf8(access))) } : {}),
  };
  const content = `${toBase64url(utf8(JSON.stringify(header)))}.${toBase64url(utf8(JSON.stringify(claims)))}`;
  const signature = await crypto.subtle.sign({ name: 'ECDSA', hash: 'SHA-256' }, keys.privateKey, utf8(content));
  return `${content}.${toBase64url(new Uint8Array(signature))}`;
}

/** @param {string} path @param {RequestInit} init @returns {Promise<Response>} */
async function send(path, init) {
  const late = AbortSignal.timeout(ANSWER_MS);
  try {
    const answer = await fetch(path, { ...init, signal: init.signal ? AbortSignal.any([init.signal, late]) : late, credentials: 'omit', cache: 'no-store' });
    const nonce = answer.headers.get('DPoP-Nonce');
    if (nonce) localStorage.setItem(NONCE, JSON.stringify([nonce, Date.now()]));
    return answer;
  } catch (error) {
    if (init.signal?.aborted) throw new Fault('cancelled');
    throw new Fault(late.aborted ? 'gateway_timeout' : navigator.onLine ? 'no_gateway' : 'offline', { unsure: init.method !== 'GET' });
  }
}

/** @param {Response} answer @returns {Promise<any>} the JSON, or the `Fault` that it is */
async function read(answer) {
  const text = await answer.text();
  let told;
  try {
    told = text ? JSON.parse(text) : {};
  } catch {
    throw new Fault('no_gateway', { status: answer.status });
  }
  if (answer.ok) return told;
  throw new Fault(codeIn(told), { status: answer.status, unsure: told.may_have_happened === true, detail: told.detail ?? told.error_description });
}

/** A refused pairing names the car's reason in brackets. @param {any} told */
function codeIn(told) {
  const reason = told.error === 'invalid_grant' && /not paired \(([a-z_]+)\)/.exec(told.error_description ?? '');
  return reason ? reason[1] : String(told.code ?? told.error ?? 'internal');
}

/** @param {Record<string, string>} form @returns {Promise<any>} the token endpoint's answer */
async function token(form) {
  for (let tried = 0; ; tried += 1) {
    try {
      return await read(await send('/oauth2/token', { method: 'POST', headers: { DPoP: await proof('POST', '/oauth2/token') }, body: new URLSearchParams(form) }));
    } catch (error) {
      if (!(error instanceof Fault) || error.code !== 'use_dpop_nonce' || tried) throw error;
    }
  }
}

/** @param {string} clientId @param {any} told @returns {Promise<Held>} */
async function take(clientId, told) {
  /** @type {Held} */
  const held = { clientId, grantId: told.grant_id, scope: told.scope, access: told.access_token, refresh: told.refresh_token, expiresAt: Date.now() + told.expires_in * 1000 };
  await db.put('held', held);
  return held;
}

/** @returns {Promise<Held | undefined>} */
export const held = () => db.get('held');

/** This installation, registered once for what it may ever ask. */
export const register = () => db.alone('client', async () => {
  const known = await db.get('client');
  if (known) return known;
  const name = /iPhone|iPad|Android/.exec(navigator.userAgent)?.[0] ?? 'Browser';
  const made = await read(await send('/oauth2/register', { method: 'POST', headers: { 'Content-Type': 'application/json' }, body: JSON.stringify({ client_name: `keygw phone (${name})`, scope: OWNER }) }));
  await db.put('client', made.client_id);
  return /** @type {string} */ (made.client_id);
});

/** By the code that the car shows. @param {string} code @param {string} vehicle its name here @returns {Promise<Held>} */
export async function enter(code, vehicle) {
  const clientId = await register();
  for (let tried = 0; ; tried += 1) {
    try {
      return await take(clientId, await token({ grant_type: PAIRING, client_id: clientId, pairing_code: code, vehicle_name: vehicle, scope: OWNER }));
    } catch (error) {
      if (!(error instanceof Fault)) throw error;
      if (error.code === 'invalid_client' && !tried) await db.drop('client');
      if (error.code !== 'authorization_pending' || tried > MOST_PENDING) throw error;
      await new Promise((done) => setTimeout(done, PENDING_MS));
    }
  }
}

/** By the link of an invitation; whoever is in already stays as it is. @param {string} id @param {string} secret @returns {Promise<Held>} */
export async function enterInvited(id, secret) {
  const known = await held();
  if (known) return known;
  const clientId = await register();
  return take(clientId, await token({ grant_type: INVITED, client_id: clientId, invitation_id: id, secret, scope: GUEST }));
}

/** @param {string} [stale] an access token that was refused @returns {Promise<Held>} one that is good for a while */
export async function fresh(stale) {
  const good = (/** @type {Held | undefined} */ each) => each && each.access !== stale && Date.now() < each.expiresAt - EARLY_MS;
  const known = await held();
  if (known && good(known)) return known;
  return db.alone('held', async () => {
    const now = await held(); // another tab may have been first
    if (!now) throw new Fault('token_unknown', { status: 401 });
    if (good(now)) return now;
    return take(now.clientId, await token({ grant_type: 'refresh_token', client_id: now.clientId, refresh_token: now.refresh }));
  });
}

/**
 * @param {string} method @param {string} path @param {{body?: unknown, headers?: Record<string, string>, signal?: AbortSignal}} [more]
 * @returns {Promise<Response>} an answer that is not about the token
 */
export const ask = (method, path, more = {}) => (nonceNow() ? asked(method, path, more) : db.alone('nonce', () => asked(method, path, more)));

/** @type {(method: string, path: string, more: {body?: unknown, headers?: Record<string, string>, signal?: AbortSignal}) => Promise<Response>} */
async function asked(method, path, { body, headers = {}, signal }) {
  let stale;
  for (let tried = 0; ; tried += 1) {
    const { access } = await fresh(stale);
    const all = { ...headers, Authorization: `DPoP ${access}`, DPoP: await proof(method, path, access), ...(body === undefined ? {} : { 'Content-Type': 'application/json' }) };
    const answer = await send(path, { method, headers: all, signal, ...(body === undefined ? {} : { body: JSON.stringify(body) }) });
    const told = answer.headers.get('WWW-Authenticate') ?? '';
    if (answer.status !== 401 || tried === 2 || !/invalid_token|use_dpop_nonce/.test(told)) return answer;
    stale = told.includes('invalid_token') ? access : undefined;
  }
}

/** @param {string} method @param {string} path @param {unknown} [body] @param {Record<string, string>} [headers] @returns {Promise<any>} */
export const call = async (method, path, body, headers) => read(await ask(method, path, { body, headers }));

/** Without a token: with what the body itself proves. @param {string} path @param {unknown} body @returns {Promise<any>} */
export const open = async (path, body) => read(await send(path, { method: 'POST', headers: { 'Content-Type': 'application/json' }, body: JSON.stringify(body) }));

export const idempotency = () => toBase64url(crypto.getRandomValues(new Uint8Array(16)));
