// The car's link, lent by the gateway (keygw.frames.v1): sealed frames go through it, and it can read none.

import { ask, fresh, proof } from './api.js';
import { Fault } from './fault.js';
import { fromBase64url } from './proofs.js';

const PROTOCOL = 'keygw.frames.v1';
const MOST_QUEUED = 1 << 16;

/**
 * A link, whichever way it goes.
 * @typedef {{info: Uint8Array<ArrayBuffer>, maxFrame: number, send: (frame: Uint8Array<ArrayBuffer>) => Promise<void>, close: () => void,
 *   onFrame: (heard: (frame: Uint8Array<ArrayBuffer>) => void) => void, onEnd: (ended: (fault: Fault) => void) => void}} Link
 */

/** @param {string} vehicleId @param {number} ms how long it may take @param {AbortSignal} [signal] @returns {Promise<Link>} `Fault` with the gateway's word */
export async function lend(vehicleId, ms, signal) {
  const path = `/v1/vehicles/${vehicleId}/frames`;
  for (let tried = 0; ; tried += 1) {
    const { access } = await fresh();
    try {
      return await connect(path, { type: 'open', version: 1, token: access, proof: await proof('GET', path, access) }, ms, signal);
    } catch (error) {
      // A nonce may have ended since the last answer, and a socket may break for no reason: one request brings the next
      // nonce, or says that there is no gateway. Nothing has left for the car yet.
      if (!(error instanceof Fault) || !['use_dpop_nonce', 'no_gateway'].includes(error.code) || tried) throw error;
      await ask('GET', '/v1/apps/self');
    }
  }
}

/** @param {string} path @param {object} opening @param {number} ms @param {AbortSignal} [signal] @returns {Promise<Link>} */
function connect(path, opening, ms, signal) {
  return new Promise((resolve, reject) => {
    const socket = new WebSocket(location.origin.replace(/^http/, 'ws') + path, PROTOCOL);
    socket.binaryType = 'arraybuffer';
    /** @type {(frame: Uint8Array<ArrayBuffer>) => void} */
    let heard = (frame) => { early.push(frame); };
    /** @type {Uint8Array<ArrayBuffer>[]} */
    const early = [];
    /** @type {((fault: Fault) => void) | null} */
    let ended = null;
    /** @type {Fault | null} */
    let over = null;
    const end = (/** @type {Fault} */ fault) => {
      clearTimeout(timer);
      if (over) return;
      over = fault;
      socket.close();
      reject(fault);
      ended?.(fault);
    };
    const timer = setTimeout(() => end(new Fault('link_timeout')), ms);
    signal?.addEventListener('abort', () => end(new Fault('cancelled')), { once: true });
    socket.onopen = () => socket.send(JSON.stringify(opening));
    socket.onclose = (event) => end(new Fault(/^([a-z_]+)(:|$)/.exec(event.reason)?.[1] ?? (navigator.onLine ? 'no_gateway' : 'offline')));
    socket.onmessage = ({ data }) => {
      if (typeof data !== 'string') {
        heard(new Uint8Array(data));
        return;
      }
      const opened = JSON.parse(data);
      if (opened.type !== 'opened') return;
      clearTimeout(timer);
      resolve({
        info: fromBase64url(opened.info),
        maxFrame: opened.max_frame,
        send: async (frame) => {
          if (over) throw over;
          if (socket.bufferedAmount > MOST_QUEUED) throw new Fault('link_timeout');
          socket.send(frame);
        },
        close: () => end(new Fault('link_lost')),
        onFrame: (listener) => { heard = listener; early.splice(0).forEach(listener); },
        onEnd: (listener) => { ended = listener; if (over) listener(over); },
      });
    };
  });
}

