// The event stream over fetch, so that the token is in a header: resumed by Last-Event-ID, with growing pauses.

import { Fault } from '../fault.js';
import { read } from './exchange.js';
import { EventReader } from './sse.js';
import { pause } from './tokens.js';

/** @import {Api} from './index.js' */

/** A CloudEvent (1.0). A gap (`keygw.gap`) has no `id`: read anew what `data` names. @typedef {{type: string, id?: string, subject?: string, time?: string, data: any, position: string}} KeygwEvent */
/** @typedef {{vehicle?: string | null, after?: string, signal: AbortSignal, onState?: (connected: boolean, code: string | null) => void}} Following */

const PAUSE_MS = 250;
const LONGEST_PAUSE_MS = 30_000;
/** The gateway says something every 15 s. */
const SILENCE_MS = 45_000;

/** @param {Api} api @param {Following} how @param {(event: KeygwEvent) => void} onEvent @returns {Promise<void>} @throws {Fault} a refusal that will stay one */
export async function follow(api, { vehicle = null, after = '', signal, onState = () => undefined }, onEvent) {
  let reader = new EventReader(after);
  for (let failures = 0; !signal.aborted;) {
    /** @type {string | null} */
    let code = null;
    try {
      reader = new EventReader(reader.lastId); // half an event is none
      for await (const event of once(api, vehicle, reader, signal, () => onState(true, null))) {
        failures = 0;
        onEvent({ ...JSON.parse(event.data), position: event.id });
      }
    } catch (error) {
      if (signal.aborted) return;
      const passing = error instanceof Fault && (error.retryable || error.status === 0);
      if (error instanceof Fault && !passing) throw error;
      if (error instanceof SyntaxError || error instanceof RangeError) throw new Fault('no_gateway', { detail: 'a stream of another version' });
      code = error instanceof Fault ? error.code : 'no_gateway';
      failures += 1;
    }
    onState(false, code);
    await pause(Math.min(PAUSE_MS * 2 ** failures, LONGEST_PAUSE_MS) * (0.5 + Math.random() / 2), signal).catch(() => undefined);
  }
}

/** @param {Api} api @param {string | null} vehicle @param {EventReader} parts @param {AbortSignal} signal @param {() => void} opened */
async function* once(api, vehicle, parts, signal, opened) {
  const silent = new AbortController();
  const stop = () => silent.abort();
  signal.addEventListener('abort', stop, { once: true });
  const query = vehicle ? `?vehicle=${encodeURIComponent(vehicle)}` : '';
  const headers = { Accept: 'text/event-stream', ...(parts.lastId ? { 'Last-Event-ID': parts.lastId } : {}) };
  let timer = setTimeout(stop, SILENCE_MS);
  try {
    const { status, body } = await stream(api, `/v1/events${query}`, headers, silent.signal);
    if (status !== 200 || !body) throw new Fault('no_gateway', { status });
    opened();
    const reader = body.getReader();
    for (;;) {
      const { done, value } = await reader.read();
      clearTimeout(timer);
      if (done) return;
      timer = setTimeout(stop, SILENCE_MS);
      yield* parts.feed(value);
    }
  } finally {
    clearTimeout(timer);
    signal.removeEventListener('abort', stop);
    stop();
  }
}

/** @param {Api} api @param {string} path @param {Record<string, string>} headers @param {AbortSignal} signal */
async function stream(api, path, headers, signal) {
  const answer = await api.ask('GET', path, { headers, signal, endless: true });
  if (!answer.ok) await read(answer);
  return answer;
}
