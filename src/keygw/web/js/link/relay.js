// The car's link, lent by the gateway: `keygw.frames.v1` (protocols/bridge_api). Sealed frames go through it, and the gateway
// can read none.

import { Fault, heed } from '../fault.js';
import { fromBase64url } from '../session/bytes.js';
import { LINK } from '../session/codes.js';
import { Mailbox } from './port.js';

/** @import {Api} from '../api/index.js' */
/** @import {Bytes} from '../session/bytes.js' */
/** @import {HeldKey} from '../store/keyring.js' */
/** @import {Ear, Link, Opening} from './port.js' */

const PROTOCOL = 'keygw.frames.v1';
const OPEN_MS = 12_000;
const MOST_WAITING = 1 << 16; // bytes that the socket may hold back
const PASSING = new Set([
  'busy', 'gave_way', 'held_elsewhere', 'out_of_range', 'link_lost', 'link_timeout', 'radio_busy', 'relay_over', 'relay_idle',
  'slow_consumer', 'gateway_stopping', 'radio_unavailable', 'no_gateway', 'offline',
]);

export class RelayAir {
  kind = 'relay';
  #api;
  #Socket;

  /** @param {Api} api whose token and key it shows @param {typeof WebSocket} [Socket] */
  constructor(api, Socket = globalThis.WebSocket) {
    this.#api = api;
    this.#Socket = Socket;
  }

  /** @param {HeldKey['vehicle']} vehicle @param {Opening} [opening] @returns {Promise<Link>} @throws {Fault} with the gateway's word */
  async open(vehicle, { signal = null, avoid = [] } = {}) {
    const path = `/v1/vehicles/${vehicle.id}/frames`;
    for (let tried = 0; ; tried += 1) {
      heed(signal);
      const token = await this.#api.fresh();
      const proof = await this.#api.proof('GET', path, token);
      try {
        const link = new RelayLink(new this.#Socket(this.#api.origin.replace(/^http/, 'ws') + path, PROTOCOL));
        return await link.opened({ type: 'open', version: 1, token, proof, avoid: avoid.slice(0, 16) }, signal);
      } catch (error) {
        if (!(error instanceof Fault) || tried || !['use_dpop_nonce', 'token_expired'].includes(error.code)) throw error;
        if (error.code === 'token_expired') await this.#api.fresh(token);
        else await this.#api.call('GET', '/v1/apps/self'); // its answer brings the next nonce
      }
    }
  }
}

/** @implements {Link} */
class RelayLink {
  kind = 'relay';
  link = LINK.RELAYED;
  peer = '';
  maxFrame = 20;
  /** @type {Bytes} */
  info = new Uint8Array(0);
  #socket;
  #mail = new Mailbox();

  /** @param {WebSocket} socket */
  constructor(socket) {
    this.#socket = socket;
    socket.binaryType = 'arraybuffer';
  }

  /** @param {object} words @param {AbortSignal | null} signal @returns {Promise<Link>} */
  opened(words, signal) {
    return new Promise((resolve, reject) => {
      const socket = this.#socket;
      const end = (/** @type {Fault} */ fault) => {
        clearTimeout(timer);
        signal?.removeEventListener('abort', cancel);
        this.#end(fault);
        reject(fault);
      };
      const cancel = () => end(new Fault('cancelled'));
      const timer = setTimeout(() => end(new Fault('link_timeout', { detail: 'the gateway did not reach the vehicle in time', retryable: true })), OPEN_MS);
      signal?.addEventListener('abort', cancel);
      socket.onopen = () => socket.send(JSON.stringify(words));
      socket.onclose = (event) => end(byClose(event, this.info.length > 0));
      socket.onmessage = ({ data }) => {
        if (this.info.length) {
          this.#heard(data);
          return;
        }
        try {
          const { type, info, max_frame: size, peer } = JSON.parse(data);
          if (type !== 'opened' || !Number.isInteger(size) || size < 20 || size > 512) throw new TypeError('not opened');
          [this.info, this.maxFrame, this.peer] = [fromBase64url(info), size, String(peer)];
        } catch {
          end(new Fault('no_gateway', { detail: 'what answers there lends no links, or is of another version' }));
          return;
        }
        clearTimeout(timer); // from here on `end` tells whoever listens
        resolve(this);
      };
    });
  }

  /** @param {Bytes} frame */
  async send(frame) {
    if (this.#mail.over) throw this.#mail.over;
    if (this.#socket.bufferedAmount > MOST_WAITING) {
      this.#end(new Fault('link_timeout', { detail: 'the gateway takes nothing any more', retryable: true }));
      throw /** @type {Fault} */ (/** @type {unknown} */ (this.#mail.over));
    }
    this.#socket.send(frame);
  }

  /** @param {Ear} ear */
  listen(ear) {
    this.#mail.listen(ear);
  }

  async close() {
    this.#mail.end(new Fault('link_lost', { detail: 'closed here' }), false);
    this.#socket.close();
  }

  /** @param {unknown} data */
  #heard(data) {
    const taken = data instanceof ArrayBuffer && this.#mail.frame(new Uint8Array(data));
    if (!taken) this.#end(new Fault('link_lost', { detail: 'more frames than anybody takes, or none', retryable: true }));
  }

  /** @param {Fault} fault */
  #end(fault) {
    this.#mail.end(fault);
    this.#socket.close();
  }
}

/** The gateway's reason begins with a word. @param {CloseEvent} event @param {boolean} stood @returns {Fault} */
function byClose({ reason }, stood) {
  const found = /^([a-z_]+)(?:: (.*))?$/.exec(reason);
  const offline = globalThis.navigator?.onLine === false;
  const code = found?.[1] ?? (offline ? 'offline' : stood ? 'link_lost' : 'no_gateway');
  return new Fault(code, { detail: found?.[2] ?? 'the connection to the gateway broke off', retryable: PASSING.has(code) });
}
