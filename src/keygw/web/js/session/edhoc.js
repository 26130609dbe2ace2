// EDHOC (RFC 9528), the initiator, in the profile of protocols/key_session, *Handshake*: method 0, suite 6.

import { concat } from './bytes.js';
import { CborError, decodeSequence, encode } from './cbor.js';
import { breach } from './errors.js';
import { isOdd, verify } from './p256.js';
import { expand, extract, seal, sha256 } from './primitives.js';
import { bytes, ShapeError } from './shapes.js';

/** @import {Bytes} from './bytes.js' */
/** @import {Item} from './cbor.js' */
/** @import {Point, Signer} from './p256.js' */
/** @import {Ephemeral} from './primitives.js' */

const MAC_LENGTH = 32; // MAC_2 and MAC_3 are signed (RFC 9528, 5.3.2)
const SIGNATURE = 64;
const MOST_EAD = 16;
/** The critical item of EAD_3 that binds HELLO and carries the first command. */
const EAD_INTENT = -65001;
const ID_CRED_R = encode(new Map([[4, Uint8Array.of(0)]]));

/** EDHOC_KDF (RFC 9528, 4.1.2). @param {Bytes} prk @param {number} label @param {Bytes} context @param {number} length */
export const kdf = (prk, label, context, length) =>
  expand(prk, concat(encode(label), encode(context), encode(length)), length);

/** CRED_R: the claims set of the vehicle that is meant. @param {string} vehicleId `veh_...` @param {Point} key */
export const credentialOfVehicle = (vehicleId, key) => encode(new Map(/** @type {[Item, Item][]} */ ([
  [2, vehicleId], [8, new Map([[1, new Map(/** @type {[Item, Item][]} */ ([[1, 2], [-1, 1], [-2, key.x], [-3, isOdd(key)]]))]])],
])));

/** What is signed (RFC 9528, 5.3.2 and 5.4.2). @param {Bytes} id @param {Bytes} external @param {Bytes} mac */
const toBeSigned = (id, external, mac) => encode(['Signature1', id, external, mac]);

/** C_I and C_R: -24..23, or a byte string that no such integer stands for. @param {Item} item */
function checkConnectionId(item) {
  if (typeof item === 'number' && item >= -24 && item <= 23) return;
  if (!(item instanceof Uint8Array)) throw breach('no connection identifier');
  if (item.length === 1 && (item[0] <= 0x17 || (item[0] >= 0x20 && item[0] <= 0x37))) {
    throw breach('a connection identifier that is written as an integer');
  }
}

/** EAD of a plaintext: refuses a critical item, ignores another. @param {Item[]} items */
function checkExtras(items) {
  for (let i = 0; i < items.length; i++) {
    const label = items[i];
    if (typeof label !== 'number') throw breach('no label of EAD');
    if (items[i + 1] instanceof Uint8Array) i++;
    if (label < 0) throw breach('a critical item of EAD that is not known');
  }
}

/**
 * The device's side of one handshake. `message1`, then `message2`, then `message3`, then `exporter`.
 */
export class Initiator {
  /**
   * @param {{ephemeral: Ephemeral, credR: Bytes, vehicleKey: Point, token: Bytes, kid: Bytes | null, signer: Signer}} setting
   * `credR` is fixed before message_1; `kid` names a token that the vehicle keeps, else `token` travels
   */
  constructor(setting) {
    this.setting = setting;
    /** Every intermediate value by its name in the vectors. @type {Record<string, Bytes>} */
    this.values = {};
    this.message1 = concat(encode(0), encode(6), encode(setting.ephemeral.publicKey), encode(0));
  }

  /** Takes message_2: the vehicle's proof of its key. @param {Bytes} body @throws breach */
  async message2(body) {
    try {
      await this.#message2(body);
    } catch (error) {
      if (error instanceof CborError || error instanceof ShapeError) throw breach(`message_2: ${error.message}`);
      throw error;
    }
  }

  /** @param {Bytes} body */
  async #message2(body) {
    const { ephemeral, credR, vehicleKey } = this.setting;
    const [whole, ...more] = decodeSequence(body, 1).items;
    const data = bytes(whole ?? null, 32 + 1, 512);
    if (more.length) throw breach('message_2 is more than one item');
    const gY = data.slice(0, 32);
    const ciphertext = data.slice(32);
    const v = this.values;
    v.G_XY = await ephemeral.agree(gY);
    v['H(message_1)'] = await sha256(this.message1);
    v.TH_2 = await sha256(encode(gY), encode(v['H(message_1)']));
    v.PRK_2e = await extract(v.TH_2, v.G_XY);
    v.KEYSTREAM_2 = await kdf(v.PRK_2e, 0, v.TH_2, ciphertext.length);
    v.plaintext_2 = ciphertext.map((byte, i) => byte ^ v.KEYSTREAM_2[i]);
    const { items, starts } = decodeSequence(v.plaintext_2, 3 + 2 * MOST_EAD);
    const [connection, id, signed, ...extras] = items;
    checkConnectionId(connection ?? null);
    if (id !== 0) throw breach('an ID_CRED_R of another vehicle');
    const signature = bytes(signed ?? null, SIGNATURE);
    checkExtras(extras);
    const ead = v.plaintext_2.slice(starts[3] ?? v.plaintext_2.length);
    const cR = v.plaintext_2.slice(0, starts[1]);
    v.MAC_2 = await kdf(v.PRK_2e, 2, concat(cR, ID_CRED_R, encode(v.TH_2), credR, ead), MAC_LENGTH);
    v['to be signed 2'] = toBeSigned(ID_CRED_R, concat(encode(v.TH_2), credR, ead), v.MAC_2);
    await verify(vehicleKey, signature, v['to be signed 2'], breach('the vehicle has not proven its key'));
    v.TH_3 = await sha256(encode(v.TH_2), v.plaintext_2, credR);
  }

  /** Makes message_3. @param {Bytes} intent EAD_3's value @returns {Promise<Bytes>} the body */
  async message3(intent) {
    const { token, kid, signer } = this.setting;
    const v = this.values;
    const ead = concat(encode(EAD_INTENT), encode(intent));
    const idCredI = kid ? encode(new Map([[4, kid]])) : concat(Uint8Array.of(0xa1, 13), token);
    // A kid of one byte that an integer is encoded as travels as that integer (RFC 9528, 3.5.3.2).
    const onAir = !kid ? idCredI : kid.length === 1 ? kid : encode(kid);
    v.MAC_3 = await kdf(v.PRK_2e, 6, concat(idCredI, encode(v.TH_3), token, ead), MAC_LENGTH);
    v['to be signed 3'] = toBeSigned(idCredI, concat(encode(v.TH_3), token, ead), v.MAC_3);
    v.plaintext_3 = concat(onAir, encode(await signer.sign(v['to be signed 3'])), ead);
    v.K_3 = await kdf(v.PRK_2e, 3, v.TH_3, 16);
    v.IV_3 = await kdf(v.PRK_2e, 4, v.TH_3, 12);
    v.A_3 = encode(['Encrypt0', new Uint8Array(0), v.TH_3]);
    v.TH_4 = await sha256(encode(v.TH_3), v.plaintext_3, token);
    v.PRK_out = await kdf(v.PRK_2e, 7, v.TH_4, 32);
    v.PRK_exporter = await kdf(v.PRK_out, 10, new Uint8Array(0), 32);
    return encode(await seal(v.K_3, v.IV_3, v.A_3, v.plaintext_3));
  }

  /** EDHOC_Exporter (RFC 9528, 4.2.1), after message_3. @param {number} label @param {Bytes} context @param {number} length */
  exporter(label, context, length) {
    return kdf(this.values.PRK_exporter, label, context, length);
  }
}

/** The kid of a key index: one byte below 24, else two, big-endian. @param {number} index u16 @returns {Bytes} */
export const kidOfIndex = (index) => (index < 24 ? Uint8Array.of(index) : Uint8Array.of(index >> 8, index & 0xff));
