// Small readers of CBOR items: each gives the value, or throws `ShapeError`. The caller knows which code that means.

import { Float } from './cbor.js';

/** @import {Bytes} from './bytes.js' */
/** @import {Item} from './cbor.js' */

export class ShapeError extends Error {}

export const U8 = 0xff;
export const U16 = 0xffff;
export const U32 = 0xffffffff;
/** The last second of the year 9999. */
export const LAST_TIME = 253402300799;

/** An integer of a range; a boolean or a float is none. @param {Item} item @param {number} least @param {number} most */
export function int(item, least, most) {
  if (typeof item !== 'number' || item < least || item > most) throw new ShapeError('not an integer of its range');
  return item;
}

/** @param {Item} item @param {number} most @param {number} [least] @returns {number | null} */
export const intOrNull = (item, most, least = 0) => (item === null ? null : int(item, least, most));

/** A time in whole Unix seconds. @param {Item} item */
export const time = (item) => int(item, 1, LAST_TIME);

/** @param {Item} item @param {number} least @param {number} [most] @returns {Bytes} */
export function bytes(item, least, most = least) {
  if (!(item instanceof Uint8Array) || item.length < least || item.length > most) throw new ShapeError('not bytes of its size');
  return /** @type {Bytes} */ (item);
}

/** @param {Item} item @returns {boolean} */
export function bool(item) {
  if (typeof item !== 'boolean') throw new ShapeError('not a boolean');
  return item;
}

/** @param {Item} item @returns {boolean | null} */
export const boolOrNull = (item) => (item === null ? null : bool(item));

/** @param {Item} item @param {number} least @param {number} [most] @returns {Item[]} */
export function array(item, least, most = least) {
  if (!Array.isArray(item) || item.length < least || item.length > most) throw new ShapeError('not an array of its length');
  return item;
}

/** A map of exactly these keys. @param {Item} item @param {number[]} keys @returns {Map<Item, Item>} */
export function map(item, keys) {
  if (!(item instanceof Map) || item.size !== keys.length || !keys.every((key) => item.has(key))) {
    throw new ShapeError('not a map of its keys');
  }
  return item;
}

/** A value of a signal. @param {Item} item @returns {boolean | number | string} */
export function signalValue(item) {
  if (item instanceof Float) return item.value;
  if (typeof item === 'boolean' || typeof item === 'number' || typeof item === 'string') return item;
  if (typeof item === 'bigint') return Number(item);
  throw new ShapeError('not a value of a signal');
}
