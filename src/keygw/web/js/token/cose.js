// The envelope of every signed object (protocols/key_token, *The envelope*): an untagged COSE_Sign1, deterministic, whose
// protected header has exactly one form for each purpose.

import { toHex } from '../session/bytes.js';
import { CborError, decode, encode } from '../session/cbor.js';
import { malformed, SessionError } from '../session/errors.js';
import { verify } from '../session/p256.js';
import { sha256 } from '../session/primitives.js';
import { array, bytes, ShapeError } from '../session/shapes.js';

/** @import {Bytes} from '../session/bytes.js' */
/** @import {Item} from '../session/cbor.js' */
/** @import {Point, Signer} from '../session/p256.js' */

/** Whose key speaks for which issuer. @typedef {{issuer: string, kid: Bytes, key: Point}} Issuer */
/** `signed`: what ES256 signs. @typedef {{typ: string, kid: Bytes | null, payload: Item, signature: Bytes, signed: Bytes}} Envelope */

const NOTHING = new Uint8Array(0);

/** @param {string} typ @param {Bytes | null} kid */
const headerOf = (typ, kid) =>
  encode(new Map(/** @type {[Item, Item][]} */ ([[1, -7], ...(kid ? [[4, kid]] : []), [16, typ]])));

/**
 * Reads a form of a signed object; whatever is not exactly it is token_malformed.
 * @template T @param {() => T} read @returns {T}
 */
export function shaped(read) {
  try {
    return read();
  } catch (error) {
    if (error instanceof CborError || error instanceof ShapeError) throw malformed(error.message);
    throw error;
  }
}

/**
 * The parts of an object, nothing of it believed. `most`: bytes that it may have.
 * @param {Bytes} data @param {string} typ @param {boolean} issued by an issuer, so that a kid names the key @param {number} most
 * @returns {Envelope} @throws {SessionError} token_malformed, wrong_type
 */
export function open(data, typ, issued, most = 4096) {
  return shaped(() => {
    if (data.length > most) throw malformed('larger than such an object may be');
    const [protectedHeader, unprotectedHeader, payload, signature] = array(decode(data), 4);
    if (!(unprotectedHeader instanceof Map) || unprotectedHeader.size) throw malformed('an unprotected header');
    const header = decode(bytes(protectedHeader, 1, 64));
    if (!(header instanceof Map) || header.get(1) !== -7) throw malformed('not signed with ES256');
    const said = header.get(16);
    if (typeof said !== 'string') throw malformed('no typ');
    if (said !== typ) throw new SessionError('wrong_type', `not a ${typ}`);
    const kid = issued ? bytes(header.get(4) ?? null, 8) : null;
    if (toHex(headerOf(typ, kid)) !== toHex(bytes(protectedHeader, 1, 64))) throw malformed('a header of another form');
    const body = bytes(payload, 1, 4096);
    const signed = encode(['Signature1', bytes(protectedHeader, 1, 64), NOTHING, body]);
    return { typ, kid, payload: decode(body), signature: bytes(signature, 64), signed };
  });
}

/** What names the object, whoever carried it. @param {Envelope} envelope @returns {Promise<Bytes>} 32 bytes */
export const digest = (envelope) => sha256(envelope.signed);

/** @param {Envelope} envelope @param {Point} key @returns {Promise<void>} @throws {SessionError} token_signature */
export const holds = (envelope, key) =>
  verify(key, envelope.signature, envelope.signed, new SessionError('token_signature', 'the signature does not hold'));

/** By the issuer that `kid` names. @param {Envelope} envelope @param {Issuer[]} issuers @returns {Promise<Issuer>} @throws {SessionError} unknown_issuer, token_signature */
export async function issuedBy(envelope, issuers) {
  const kid = toHex(/** @type {Bytes} */ (envelope.kid));
  const issuer = issuers.find((each) => toHex(each.kid) === kid);
  if (!issuer) throw new SessionError('unknown_issuer', 'no issuer that is trusted here');
  await holds(envelope, issuer.key);
  return issuer;
}

/** Signs as a device does. @param {Signer} signer @param {string} typ @param {Item} payload @returns {Promise<Bytes>} */
export async function sign(signer, typ, payload) {
  const header = headerOf(typ, null);
  const body = encode(payload);
  const signature = await signer.sign(encode(['Signature1', header, NOTHING, body]));
  return encode([header, new Map(), body, signature]);
}
