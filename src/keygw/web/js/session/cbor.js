// Deterministic CBOR (RFC 8949, section 4.2.1), as protocols/key_session narrows it: no tags, no undefined, no NaN or
// infinity, nested at most 8 deep. What decodes is exactly what `encode` would have written.

import { bigEndian, concat, utf8 } from './bytes.js';

/** @import {Bytes} from './bytes.js' */

/** A float of the wire. Kept apart from numbers, which are integers here: 1.0 is not 1. */
export class Float {
  /** @param {number} value finite */
  constructor(value) {
    this.value = value;
  }
}

/**
 * What is inside arrays and maps is an item too; a JSDoc type cannot say so of itself, and the readers of shapes.js do.
 * @typedef {any[]} ItemList
 * @typedef {Map<any, any>} ItemMap
 * @typedef {number | bigint | Float | boolean | null | string | Bytes | ItemMap | ItemList} Item
 */

const DEPTH = 8;
const UTF8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/** Not deterministic CBOR, or not one item. The caller gives it the code of its own place. */
export class CborError extends Error {}

/** @param {number} major @param {number | bigint} value @returns {Bytes} */
function head(major, value) {
  const high = major << 5;
  if (value < 24) return Uint8Array.of(high | Number(value));
  if (value < 0x100) return Uint8Array.of(high | 24, Number(value));
  if (value < 0x10000) return concat(Uint8Array.of(high | 25), bigEndian(Number(value), 2));
  if (value < 0x100000000) return concat(Uint8Array.of(high | 26), bigEndian(Number(value), 4));
  const out = new Uint8Array(9);
  out[0] = high | 27;
  new DataView(out.buffer).setBigUint64(1, BigInt(value));
  return out;
}

/** Half precision of a number, or null where it does not fit exactly. @param {number} value @returns {Bytes | null} */
function half(value) {
  const sign = value < 0 || Object.is(value, -0) ? 0x80 : 0;
  const size = Math.abs(value);
  if (size === 0) return Uint8Array.of(sign, 0);
  if (size > 65504) return null;
  const exponent = Math.max(Math.floor(Math.log2(size)), -14);
  const mantissa = size / 2 ** (exponent - 10);
  if (!Number.isInteger(mantissa)) return null;
  const bits = mantissa < 1024 ? mantissa : ((exponent + 15) << 10) | (mantissa - 1024);
  return Uint8Array.of(sign | (bits >> 8), bits & 0xff);
}

/** The shortest float that holds the value. @param {number} value @returns {Bytes} */
function float(value) {
  if (!Number.isFinite(value)) throw new CborError('a float that is not finite');
  const short = half(value);
  if (short) return concat(Uint8Array.of(0xf9), short);
  const single = Math.fround(value) === value;
  const out = new Uint8Array(single ? 5 : 9);
  const view = new DataView(out.buffer);
  out[0] = single ? 0xfa : 0xfb;
  if (single) view.setFloat32(1, value);
  else view.setFloat64(1, value);
  return out;
}

/** @param {Uint8Array} a @param {Uint8Array} b bytewise, RFC 8949 section 4.2.1 */
function compare(a, b) {
  for (let i = 0; i < Math.min(a.length, b.length); i++) if (a[i] !== b[i]) return a[i] - b[i];
  return a.length - b.length;
}

/** @param {Item} item @returns {Bytes} */
export function encode(item) {
  if (typeof item === 'number' || typeof item === 'bigint') {
    if (typeof item === 'number' && !Number.isSafeInteger(item)) throw new CborError('not an integer');
    return item >= 0 ? head(0, item) : head(1, -1n - BigInt(item));
  }
  if (item instanceof Float) return float(item.value);
  if (item === null) return Uint8Array.of(0xf6);
  if (typeof item === 'boolean') return Uint8Array.of(item ? 0xf5 : 0xf4);
  if (typeof item === 'string') {
    const bytes = utf8(item);
    return concat(head(3, bytes.length), bytes);
  }
  if (item instanceof Uint8Array) return concat(head(2, item.length), item);
  if (Array.isArray(item)) return concat(head(4, item.length), ...item.map(encode));
  const pairs = [...item].map(([key, value]) => ({ key: encode(key), value: encode(value) }));
  pairs.sort((a, b) => compare(a.key, b.key));
  return concat(head(5, pairs.length), ...pairs.flatMap(({ key, value }) => [key, value]));
}

class Reader {
  /** @param {Bytes} bytes */
  constructor(bytes) {
    this.bytes = bytes;
    this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.at = 0;
  }

  /** @param {number} size @returns {Bytes} */
  take(size) {
    if (size > this.bytes.length - this.at) throw new CborError('ends too early');
    this.at += size;
    return this.bytes.slice(this.at - size, this.at);
  }

  /** The argument of a head, in its shortest form. @param {number} info @returns {number | bigint} */
  argument(info) {
    if (info < 24) return info;
    if (info > 27) throw new CborError('a reserved or indefinite length');
    const size = 1 << (info - 24);
    const at = this.at;
    this.take(size);
    const value = size === 8 ? this.view.getBigUint64(at)
      : size === 4 ? this.view.getUint32(at) : size === 2 ? this.view.getUint16(at) : this.view.getUint8(at);
    if (value < [24, 0x100, 0x10000, 0x100000000][info - 24]) throw new CborError('not the shortest form');
    return typeof value === 'bigint' && value <= BigInt(Number.MAX_SAFE_INTEGER) ? Number(value) : value;
  }

  /** @param {number} info @returns {Item} */
  simple(info) {
    if (info === 20) return false;
    if (info === 21) return true;
    if (info === 22) return null;
    if (info < 25 || info > 27) throw new CborError('a value that has no place here');
    const start = this.at - 1;
    const raw = this.take(1 << (info - 24));
    const view = new DataView(raw.buffer);
    const value = info === 27 ? view.getFloat64(0) : info === 26 ? view.getFloat32(0) : unhalf(view.getUint16(0));
    if (compare(float(value), this.bytes.subarray(start, this.at)) !== 0) throw new CborError('not the shortest float');
    return new Float(value);
  }

  /** One item. @param {number} depth of the item, 1 at the top @returns {Item} */
  item(depth = 1) {
    const first = this.take(1)[0];
    const [major, info] = [first >> 5, first & 31];
    if (major === 7) return this.simple(info);
    const value = this.argument(info);
    if (major === 0) return value;
    if (major === 1) return typeof value === 'number' && value < Number.MAX_SAFE_INTEGER ? -1 - value : -1n - BigInt(value);
    if (major === 6) throw new CborError('a tag');
    // No item takes less than a byte, so a count beyond what is left is a lie, and reserves no memory.
    if (typeof value === 'bigint' || value > this.bytes.length - this.at) throw new CborError('ends too early');
    if (major === 2) return this.take(value);
    if (major === 3) return this.text(value);
    if (depth > DEPTH) throw new CborError('nested too deep');
    return major === 4 ? Array.from({ length: value }, () => this.item(depth + 1)) : this.map(value, depth);
  }

  /** @param {number} size */
  text(size) {
    try {
      return UTF8.decode(this.take(size));
    } catch (error) {
      throw error instanceof CborError ? error : new CborError('not UTF-8');
    }
  }

  /** @param {number} size @param {number} depth @returns {Map<Item, Item>} */
  map(size, depth) {
    const map = new Map();
    let before = new Uint8Array(0);
    for (let i = 0; i < size; i++) {
      const start = this.at;
      const key = this.item(depth + 1);
      const raw = this.bytes.slice(start, this.at);
      if (i > 0 && compare(before, raw) >= 0) throw new CborError('keys out of order, or twice');
      before = raw;
      map.set(key, this.item(depth + 1));
    }
    return map;
  }
}

/** @param {number} bits of a half-precision float */
function unhalf(bits) {
  const exponent = (bits >> 10) & 31;
  const mantissa = bits & 1023;
  const size = exponent === 31 ? (mantissa ? NaN : Infinity)
    : exponent ? (1 + mantissa / 1024) * 2 ** (exponent - 15) : mantissa * 2 ** -24;
  return bits & 0x8000 ? -size : size;
}

/** Exactly one item. @param {Bytes} bytes @returns {Item} @throws {CborError} */
export function decode(bytes) {
  const reader = new Reader(bytes);
  const item = reader.item();
  if (reader.at !== bytes.length) throw new CborError('something behind the item');
  return item;
}

/**
 * A CBOR sequence (RFC 8742): its items, and where each begins.
 * @param {Bytes} bytes @param {number} most items that may be there
 * @returns {{items: Item[], starts: number[]}} @throws {CborError}
 */
export function decodeSequence(bytes, most) {
  const reader = new Reader(bytes);
  const items = [];
  const starts = [];
  while (reader.at < bytes.length) {
    if (items.length === most) throw new CborError('too many items');
    starts.push(reader.at);
    items.push(reader.item());
  }
  return { items, starts };
}
