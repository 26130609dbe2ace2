// What happens, as the gateway tells it: server-sent events over fetch, for an EventSource cannot carry a proof.

import { ask } from './api.js';

const AGAIN_MS = [1000, 2000, 5000, 15_000];
const SILENT_MS = 40_000;
const MOST_CHARS = 1 << 20;

/**
 * Goes on until it is stopped, after each loss from where it was.
 * @param {(type: string, data: any) => void} told @param {(up: boolean) => void} standing @param {AbortSignal} signal
 */
export async function listen(told, standing, signal) {
  let last = '';
  for (let failed = 0; !signal.aborted; failed += 1) {
    const broken = new AbortController();
    const stop = () => broken.abort();
    signal.addEventListener('abort', stop, { once: true });
    try {
      const answer = await ask('GET', '/v1/events', { headers: { Accept: 'text/event-stream', ...(last ? { 'Last-Event-ID': last } : {}) }, signal: AbortSignal.any([signal, broken.signal]) });
      if (answer.status === 401 || answer.status === 403) return;
      if (answer.ok && answer.body) {
        failed = 0;
        standing(true);
        last = await drain(answer.body, last, told, stop);
      }
    } catch {
      // the network, mostly: what is not heard now is heard again, or read anew
    }
    signal.removeEventListener('abort', stop);
    if (signal.aborted) return;
    standing(false);
    await new Promise((done) => setTimeout(done, AGAIN_MS[Math.min(failed, AGAIN_MS.length - 1)]));
  }
}

/** @param {ReadableStream<Uint8Array>} body @param {string} last @param {(type: string, data: any) => void} told @param {() => void} stop */
async function drain(body, last, told, stop) {
  const reader = body.pipeThrough(/** @type {ReadableWritablePair<string, Uint8Array>} */ (new TextDecoderStream())).getReader();
  let text = '';
  try {
    for (;;) {
      const timer = setTimeout(stop, SILENT_MS);
      const { value, done } = await reader.read();
      clearTimeout(timer);
      if (done) return last;
      text += value;
      if (text.length > MOST_CHARS) return last;
      for (let end = text.indexOf('\n\n'); end >= 0; end = text.indexOf('\n\n')) {
        const lines = text.slice(0, end).split('\n').map((line) => /^(id|event|data): ?(.*)$/.exec(line));
        text = text.slice(end + 2);
        const of = (/** @type {string} */ name) => lines.filter((each) => each?.[1] === name).map((each) => each?.[2]).join('\n');
        last = of('id') || last;
        if (of('data')) told(of('event'), JSON.parse(of('data')).data ?? {});
      }
    }
  } catch {
    return last;
  } finally {
    reader.cancel().catch(() => undefined);
  }
}
