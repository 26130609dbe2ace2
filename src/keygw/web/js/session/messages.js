// Bodies of the messages: the forms of protocols/key_session, *Messages*. Sealed ones are read after they were opened.

import { bigEndian, fromBigEndian, concat } from './bytes.js';
import { CborError, decode, encode } from './cbor.js';
import { breach, SessionError } from './errors.js';
import { array, bool, bytes, int, intOrNull, LAST_TIME, ShapeError, signalValue, U16, U32, U8 } from './shapes.js';

/** @import {Bytes} from './bytes.js' */
/** @import {Item} from './cbor.js' */

/** @typedef {{number: number, action: number}} Command */
/** @typedef {{outcome: number, number: number | null, receipt: number, list: number, timeNonce: Bytes, time: number}} Result */
/** @typedef {{number: number, outcome: number, receipt: number}} Response */
/** @typedef {{signal: number, value: boolean | number | string, at: number}} Signal */
/** @typedef {{zone: number, bound: number | null, quality: number, valid: number}} Finding */
/** @typedef {{round: number, method: number, finding: Finding | null}} Ranging */
/** @typedef {{version: number, nonce: Bytes, gV: Bytes, bootEpoch: number, body: Bytes}} Hello */
/** @typedef {{outcome: number, receipt: number, list: number}} FastResult */

/** The version of the conversation that this is. */
export const VERSION = 1;
export const MOST_STATEMENTS = 16;

/**
 * Reads a form; whatever is not exactly it is a breach.
 * @template T @param {string} what @param {() => T} read @returns {T}
 */
export function formed(what, read) {
  try {
    return read();
  } catch (error) {
    if (error instanceof CborError || error instanceof ShapeError) throw breach(`${what}: ${error.message}`);
    throw error;
  }
}

/** @param {Bytes} data @returns {{versions: number[], rotatingId: Bytes}} */
export const readInfo = (data) => formed('INFO', () => {
  const [versions, rotatingId] = array(decode(data), 2);
  return { versions: array(versions, 1, 16).map((each) => int(each, 0, U8)), rotatingId: bytes(rotatingId, 6) };
});

/** @param {Bytes} body @returns {Hello} */
export function readHello(body) {
  if (body.length !== 53) throw breach('a HELLO of another size');
  if (body[0] !== VERSION) throw new SessionError('version_unsupported', `the vehicle speaks version ${body[0]}`);
  return {
    version: body[0], nonce: body.slice(1, 17), gV: body.slice(17, 49), bootEpoch: fromBigEndian(body.slice(49)), body,
  };
}

/** @param {Bytes} plain @returns {Result} */
export const readResult = (plain) => formed('RESULT', () => {
  const [outcome, number, receipt, list, nonce, time] = array(decode(plain), 6);
  return {
    outcome: int(outcome, 0, U8), number: intOrNull(number, U32), receipt: int(receipt, 0, U32),
    list: int(list, 0, U32), timeNonce: bytes(nonce, 8), time: int(time, 0, U8),
  };
});

/** @param {Bytes} plain @returns {Response} */
export const readResponse = (plain) => formed('RES', () => {
  const [number, outcome, receipt] = array(decode(plain), 3);
  return { number: int(number, 0, U32), outcome: int(outcome, 0, U8), receipt: int(receipt, 0, U32) };
});

/** @param {Bytes} plain @returns {Signal[]} */
export const readEvent = (plain) => formed('EVENT', () => array(decode(plain), 1, 64).map((each) => {
  const [signal, value, at] = array(each, 3);
  return { signal: int(signal, 0, U16), value: signalValue(value), at: int(at, 0, LAST_TIME) };
}));

/** Receipts are byte strings still: token/receipt reads them. @param {Bytes} plain @returns {{receipts: Bytes[], more: boolean}} */
export const readReceipts = (plain) => formed('RECEIPT', () => {
  const [receipts, more] = array(decode(plain), 2);
  return { receipts: array(receipts, 0, 4096).map((each) => bytes(each, 1, 4096)), more: bool(more) };
});

/** @param {Bytes} plain @returns {Ranging} */
export const readRanging = (plain) => formed('RANGE', () => {
  const [round, method, finding] = array(decode(plain), 3);
  return { round: int(round, 1, U32), method: int(method, 0, U8), finding: finding === null ? null : readFinding(finding) };
});

/** @param {Item} item @returns {Finding} */
function readFinding(item) {
  const [zone, bound, quality, valid] = array(item, 4);
  return { zone: int(zone, 0, U8), bound: intOrNull(bound, U16), quality: int(quality, 0, 100), valid: int(valid, 0, U16) };
}

/** @param {Bytes} plain 9 bytes, packed @returns {FastResult} */
export function readFastResult(plain) {
  if (plain.length !== 9) throw breach('a FAST_RESULT of another size');
  return { outcome: plain[0], receipt: fromBigEndian(plain.slice(1, 5)), list: fromBigEndian(plain.slice(5)) };
}

/** Our own arguments, held to the form before they leave. @template T @param {() => T} write @returns {T} */
function ours(write) {
  try {
    return write();
  } catch (error) {
    if (error instanceof ShapeError) throw new SessionError('misuse', error.message);
    throw error;
  }
}

/** @param {Command} command @returns {Item[]} */
const commandItem = ({ number, action }) => [int(number, 0, U32), int(action, 0, U8)];

/** @param {Command} command */
export const writeCommand = (command) => ours(() => encode(commandItem(command)));

/** @param {number} sequence */
export const writeSequence = (sequence) => ours(() => encode([int(sequence, 0, U32)]));

/** @param {number} round @param {number} method */
export const writeRanging = (round, method) => ours(() => encode([int(round, 1, U32), int(method, 0, U8), null]));

/** @param {[Bytes, Bytes][]} chain grant and parent's token, the nearest first */
export const writeChain = (chain) => ours(() => encode(array(chain, 1, 2).map((link) => {
  const [grant, token] = array(link, 2);
  return [bytes(grant, 0, 512), bytes(token, 0, 1024)];
})));

/** @param {Bytes[]} statements the oldest first */
export const writeIssuerKeys = (statements) =>
  ours(() => encode(array(statements, 1, MOST_STATEMENTS).map((each) => bytes(each, 0, 224))));

/** EAD_3's value. @param {Bytes} hello 8 bytes @param {number} link @param {boolean} subscribe @param {Command | null} command */
export const writeIntent = (hello, link, subscribe, command) =>
  ours(() => encode([bytes(hello, 8), int(link, 0, U8), subscribe, command && commandItem(command)]));

/** @param {Command} command @param {boolean} subscribe @param {number} link 0..127 @returns {Bytes} 6 bytes, packed */
export const writeFastCommand = ({ number, action }, subscribe, link) => ours(() =>
  concat(bigEndian(int(number, 0, U32), 4), Uint8Array.of(int(action, 0, U8), (subscribe ? 0x80 : 0) | int(link, 0, 127))));
