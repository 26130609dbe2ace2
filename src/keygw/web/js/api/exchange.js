// One request and its answer: a time-out on everything, a bound on what is read, one kind of error.

import { Fault } from '../fault.js';

const ANSWER_MS = 10_000;
const MOST_BYTES = 4 * 2 ** 20;

/** @typedef {{method: string, url: string, headers?: Record<string, string>, body?: BodyInit | null, signal?: AbortSignal | null, wait?: number, endless?: boolean}} Exchange */

/**
 * The answer, whatever its status. `wait`: seconds that the gateway may take on top; `endless`: the caller looks at the clock.
 * @param {Exchange} exchange @param {typeof fetch} [ask] @returns {Promise<Response>} @throws {Fault} cancelled, gateway_timeout, offline, no_gateway
 */
export async function send({ method, url, headers = {}, body = null, signal = null, wait = 0, endless = false }, ask = fetch) {
  const late = endless ? new AbortController().signal : AbortSignal.timeout(ANSWER_MS + wait * 1000);
  try {
    return await ask(url, { method, headers, body, signal: signal ? AbortSignal.any([signal, late]) : late, credentials: 'omit', cache: 'no-store', redirect: 'error', referrerPolicy: 'no-referrer' });
  } catch {
    throw lost(method, signal, late);
  }
}

/** @param {string} method @param {AbortSignal | null} signal @param {AbortSignal} late @returns {Fault} */
function lost(method, signal, late) {
  const mayHaveHappened = method !== 'GET';
  if (signal?.aborted) return new Fault('cancelled', { mayHaveHappened });
  const code = late.aborted ? 'gateway_timeout' : globalThis.navigator?.onLine === false ? 'offline' : 'no_gateway';
  return new Fault(code, { retryable: true, mayHaveHappened: mayHaveHappened && code !== 'offline' });
}

/** @param {Response} answer @returns {Promise<any>} its JSON; null where there is none @throws {Fault} */
export async function read(answer) {
  const text = await whole(answer);
  let told = null;
  try {
    told = text ? JSON.parse(text) : null;
  } catch {
    throw new Fault('no_gateway', { status: answer.status, detail: 'what answers there is no gateway' });
  }
  if (answer.ok) return told;
  throw refusal(answer, told);
}

/** A problem (RFC 9457), or an error of OAuth (RFC 6749, 5.2). @param {Response} answer @param {any} told @returns {Fault} */
export function refusal(answer, told) {
  const code = told?.code ?? told?.error;
  if (typeof code !== 'string') return new Fault('no_gateway', { status: answer.status, detail: 'what answers there is no gateway' });
  const reason = code === 'invalid_grant' ? /not paired \(([a-z_]+)\)/.exec(told.error_description ?? '') : null;
  const seconds = told.retry_after ?? Number(answer.headers.get('Retry-After') ?? NaN);
  return new Fault(reason?.[1] ?? code, {
    status: answer.status, detail: String(told.detail ?? told.error_description ?? ''), retryable: told.retryable === true,
    mayHaveHappened: told.may_have_happened === true, retryAfter: Number.isFinite(seconds) ? seconds : null, requiredScope: told.required_scope ?? null,
    traceId: told.trace_id ?? null,
  });
}

/** @param {Response} answer @returns {Promise<string>} */
async function whole(answer) {
  if (!answer.body) return '';
  const reader = answer.body.getReader();
  const decoder = new TextDecoder();
  let text = '';
  try {
    for (let size = 0; ;) {
      const { done, value } = await reader.read();
      if (done) return text + decoder.decode();
      size += value.length;
      if (size > MOST_BYTES) throw new Fault('no_gateway', { status: answer.status, detail: 'an answer without end' });
      text += decoder.decode(value, { stream: true });
    }
  } catch (error) {
    await reader.cancel().catch(() => undefined);
    if (error instanceof Fault) throw error;
    throw new Fault('no_gateway', { status: answer.status, detail: 'the answer broke off', retryable: true, mayHaveHappened: true });
  }
}
