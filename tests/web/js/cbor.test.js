import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fromHex, toHex } from '../../../src/keygw/web/js/session/bytes.js';
import { CborError, decode, decodeSequence, encode, Float } from '../../../src/keygw/web/js/session/cbor.js';

// RFC 8949, appendix A: those that are deterministic and have a place in keygw.
const GOOD = [
  '00', '01', '0a', '17', '1818', '1819', '1864', '1903e8', '1a000f4240', '1b000000e8d4a51000', '1bffffffffffffffff',
  '20', '29', '3863', '3903e7', '3bffffffffffffffff', 'f90000', 'f98000', 'f93c00', 'fb3ff199999999999a', 'f93e00',
  'f97bff', 'fa47c35000', 'fa7f7fffff', 'fb7e37e43c8800759c', 'f90001', 'f90400', 'f9c400', 'fbc010666666666666',
  'f4', 'f5', 'f6', '40', '4401020304', '60', '6161', '6449455446', '62225c', '62c3bc', '63e6b0b4', '64f0908591',
  '80', '83010203', '8301820203820405', 'a0', 'a201020304', 'a26161016162820203', '826161a161626163', '63efbbbf',
];
const BAD = {
  'nothing': '', 'ends early': '19', 'longer form': '1817', 'longer length': '5803010203', 'indefinite bytes': '5f4101ff',
  'indefinite array': '9fff', 'a tag': 'c11a514b67b0', 'undefined': 'f7', 'a simple value': 'f0', 'NaN': 'f97e00',
  'infinity': 'f97c00', 'a longer float': 'fa3f800000', 'a much longer float': 'fb3ff0000000000000', 'two items': '0000',
  'keys out of order': 'a203040102', 'a key twice': 'a201020103', 'not UTF-8': '61ff', 'a surrogate': '63eda080',
  'a count that lies': '9bffffffffffffffff', 'a length that lies': '5affffffff00', 'too deep': '818181818181818181' + '80',
  'reserved': '1c',
};

for (const hex of GOOD) {
  test(`${hex} is read, and written as it was`, () => assert.equal(toHex(encode(decode(fromHex(hex)))), hex));
}
for (const [name, hex] of Object.entries(BAD)) {
  test(`refuses ${name}`, () => assert.throws(() => decode(fromHex(hex)), CborError));
}

test('a float is no number, and 2^53 and beyond are exact', () => {
  assert.ok(decode(fromHex('f93c00')) instanceof Float);
  assert.equal(decode(fromHex('1b0020000000000001')), 2n ** 53n + 1n);
  assert.equal(decode(fromHex('3b001fffffffffffff')), -(2n ** 53n));
  assert.equal(toHex(encode(new Map([[2, 0], [-1, 0], [10, 0], ['a', 0]]))), 'a402000a002000616100');
});

test('a sequence is bounded', () => {
  assert.deepEqual(decodeSequence(fromHex('014101'), 2), { items: [1, Uint8Array.of(1)], starts: [0, 1] });
  assert.throws(() => decodeSequence(fromHex('010101'), 2), CborError);
});
