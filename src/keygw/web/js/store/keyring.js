// The keys of this device: its own, which nobody can read out, and the digital keys it was given, with all that a meeting
// with a car needs and leaves.

import { Fault } from '../fault.js';
import { fromBase64url, fromHex, toBase64url, toHex } from '../session/bytes.js';
import { idRaw, idText } from '../session/ids.js';
import { compress, decompress, signerOf, thumbprint } from '../session/p256.js';
import { fits, peekToken } from '../token/claims.js';
import { peekList } from '../token/list.js';

/** @import {Bytes} from '../session/bytes.js' */
/** @import {FastPair} from '../session/fast.js' */
/** @import {Point, Signer} from '../session/p256.js' */
/** @import {Claims} from '../token/claims.js' */
/** @import {Store} from './index.js' */

const { subtle } = globalThis.crypto;
const HMAC = { name: 'HMAC', hash: 'SHA-256' };
const FAST_LIFE_MS = 7 * 86_400_000;
const FAST_USES = 100;
const MOST_RECEIPTS = 200;

/**
 * A digital key that can be used. `chain`: grants and parents' tokens, the nearest first; `extra`: what the page keeps with it.
 * @typedef {{keyId: string, cwt: Bytes, claims: Claims, chain: [Bytes, Bytes][], vehicle: {id: string, name: string, publicKey: Point,
 *   advertisingKey: Bytes}, extra: any}} HeldKey
 */
/** Of `GET /v1/keys/{id}/token`. @typedef {{cwt: string, chain: {grant: string, parent_token: string}[], vehicle: {id: string, name: string, public_key: string, advertising_key: string}, revocation_list?: CarriedList}} TokenOut */
/** Of `GET /v1/vehicles/{id}/revocation-list`. @typedef {{vehicle_id: string, sequence: number, signed: string | null}} CarriedList */

export class Keyring {
  /** @param {Store} store */
  constructor(store) {
    this.store = store;
  }

  /** A P-256 pair, made at its first use; its private half cannot be exported. @param {string} name @returns {Promise<CryptoKeyPair>} */
  async pair(name) {
    const known = await this.store.get(`pair/${name}`);
    if (known) return known;
    return this.store.alone(`pair/${name}`, async () => {
      const now = await this.store.get(`pair/${name}`); // another tab may have been first
      if (now) return now;
      const { privateKey, publicKey } = await subtle.generateKey({ name: 'ECDSA', namedCurve: 'P-256' }, false, ['sign', 'verify']);
      await this.store.put(`pair/${name}`, { privateKey, publicKey });
      return { privateKey, publicKey };
    });
  }

  /** The device key. @returns {Promise<Signer>} */
  async device() {
    return signerOf(await this.pair('device'));
  }

  /** As `:share` and `/v1/devices` want it. @returns {Promise<{publicKey: string, id: string}>} */
  async identity() {
    const { publicKey } = await this.device();
    return { publicKey: toBase64url(compress(publicKey)), id: idText('dev', (await thumbprint(publicKey)).slice(0, 10)) };
  }

  /**
   * Takes a digital key in, or its newer token. @param {TokenOut} told @param {any} [extra] @returns {Promise<HeldKey>}
   * @throws {Fault} bad_key: it is not for this device, or not in its form
   */
  async take(told, extra) {
    const kept = {
      cwt: told.cwt, chain: told.chain.map(({ grant, parent_token: parent }) => [grant, parent]), vehicle: told.vehicle, extra,
    };
    const key = heldOf(kept);
    try {
      await fits(key.claims, key.vehicle.id, key.vehicle.publicKey, (await this.device()).publicKey);
    } catch (error) {
      throw new Fault('bad_key', { detail: error instanceof Error ? error.message : '' });
    }
    await this.store.update(`key/${key.vehicle.id}`, (old) => ({ ...kept, extra: extra === undefined ? old?.extra : extra }));
    await this.store.update(`met/${key.vehicle.id}`, (old) => (old?.cwt === told.cwt ? old : { cwt: told.cwt, kept: false, fast: null }));
    if (told.revocation_list) await this.takeList(told.revocation_list);
    return heldOf({ ...kept, extra });
  }

  /** @returns {Promise<HeldKey[]>} */
  async keys() {
    return (await this.store.list('key/')).map(([, each]) => heldOf(each));
  }

  /** @param {string} vehicleId @returns {Promise<HeldKey | undefined>} */
  async key(vehicleId) {
    const kept = await this.store.get(`key/${vehicleId}`);
    return kept && heldOf(kept);
  }

  /** Changes what the page keeps with a key; nothing where there is none. @param {string} vehicleId @param {object} values */
  async annotate(vehicleId, values) {
    await this.store.update(`key/${vehicleId}`, (old) => old && { ...old, extra: { ...old.extra, ...values } });
  }

  /** Forgets the key of a vehicle, and what it left. @param {string} vehicleId */
  async drop(vehicleId) {
    for (const shelf of ['key', 'met', 'list', 'receipts']) await this.store.drop(`${shelf}/${vehicleId}`);
  }

  /** A command number that this key has never used. @param {string} keyId @returns {Promise<number>} u32 */
  nextNumber(keyId) {
    const first = crypto.getRandomValues(new Uint32Array(1))[0];
    return this.store.update(`number/${keyId}`, (old) => (((old ?? first) + 1) >>> 0));
  }

  /**
   * What earlier meetings left, and takes the pair away: any failure costs it. @param {HeldKey} key
   * @returns {Promise<{kept: boolean, pair: FastPair | null, uses: number, until: number}>}
   */
  async recall(key) {
    /** @type {any} */
    let met = null;
    await this.store.update(`met/${key.vehicle.id}`, (old) => {
      met = old;
      return { cwt: toBase64url(key.cwt), kept: false, fast: null };
    });
    const same = met?.cwt === toBase64url(key.cwt);
    const fast = same ? met.fast : null;
    const alive = fast && Date.now() < fast.until && fast.uses < FAST_USES;
    return { kept: same && met.kept, pair: alive ? fast.pair : null, uses: fast?.uses ?? 0, until: fast?.until ?? 0 };
  }

  /**
   * After a RESULT that let the key in: its token is kept there, and a pair may be there for the next time.
   * @param {HeldKey} key @param {{pair: FastPair | null, uses?: number, until?: number}} left
   */
  async remember(key, { pair, uses = 0, until = Date.now() + FAST_LIFE_MS }) {
    const fast = pair && { pair: { kFast: await hidden(pair.kFast), kId: await hidden(pair.kId) }, uses, until };
    await this.store.update(`met/${key.vehicle.id}`, () => ({ cwt: toBase64url(key.cwt), kept: true, fast }));
  }

  /** The newest revocation list of a vehicle, to carry there. @param {CarriedList} told */
  async takeList(told) {
    if (!told.signed) return;
    const list = await peekList(fromBase64url(told.signed));
    const kept = { sequence: list.sequence, signed: told.signed };
    await this.store.update(`list/${list.vehicleId}`, (old) => (old && old.sequence >= kept.sequence ? old : kept));
  }

  /** @param {string} vehicleId @returns {Promise<{sequence: number, signed: Bytes} | null>} */
  async list(vehicleId) {
    const kept = await this.store.get(`list/${vehicleId}`);
    return kept ? { sequence: kept.sequence, signed: fromBase64url(kept.signed) } : null;
  }

  /** What a vehicle has signed for the list: waits for the gateway. @param {string} vehicleId @param {Bytes} ack */
  keepAck(vehicleId, ack) {
    return this.store.put(`ack/${vehicleId}`, toBase64url(ack));
  }

  /** @returns {Promise<{vehicleId: string, ack: string}[]>} as `POST .../revocation-acks` wants them */
  async acks() {
    return (await this.store.list('ack/')).map(([name, ack]) => ({ vehicleId: name.slice(4), ack }));
  }

  /** The gateway has it. @param {string} vehicleId @param {string} ack */
  async ackGiven(vehicleId, ack) {
    await this.store.update(`ack/${vehicleId}`, (old) => (old === ack ? undefined : old));
  }

  /** @param {string} vehicleId @param {number} sequence @param {Bytes} signed a receipt that was checked */
  async keepReceipt(vehicleId, sequence, signed) {
    await this.store.update(`receipts/${vehicleId}`, (old) => {
      const all = (old ?? []).filter((/** @type {any} */ each) => each.sequence !== sequence);
      return [...all, { sequence, signed: toHex(signed) }].sort((a, b) => a.sequence - b.sequence).slice(-MOST_RECEIPTS);
    });
  }

  /** @param {string} vehicleId @returns {Promise<{sequence: number, signed: Bytes}[]>} the oldest first */
  async receipts(vehicleId) {
    const kept = (await this.store.get(`receipts/${vehicleId}`)) ?? [];
    return kept.map((/** @type {any} */ each) => ({ sequence: each.sequence, signed: fromHex(each.signed) }));
  }
}

/** K_fast and K_id are keys of HMAC alone, so WebCrypto may keep them to itself. @param {Bytes | CryptoKey} key @returns {Promise<CryptoKey>} */
const hidden = async (key) => (key instanceof CryptoKey ? key : subtle.importKey('raw', key, HMAC, false, ['sign']));

/** @param {any} kept @returns {HeldKey} */
function heldOf({ cwt, chain, vehicle, extra }) {
  const raw = fromBase64url(cwt);
  const claims = peekToken(raw);
  idRaw('veh', vehicle.id);
  return {
    keyId: claims.keyId, cwt: raw, claims, extra,
    chain: chain.map((/** @type {[string, string]} */ [grant, parent]) => [fromBase64url(grant), fromBase64url(parent)]),
    vehicle: { id: vehicle.id, name: vehicle.name, publicKey: decompress(fromBase64url(vehicle.public_key)), advertisingKey: fromBase64url(vehicle.advertising_key) },
  };
}
