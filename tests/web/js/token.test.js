// The signed objects of protocols/key_token: the good ones read, the bad ones refused with their code, and what a device
// signs, payload for payload.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fromBase64url, fromHex, toHex } from '../../../src/keygw/web/js/session/bytes.js';
import { decode, encode } from '../../../src/keygw/web/js/session/cbor.js';
import { SessionError } from '../../../src/keygw/web/js/session/errors.js';
import { compress, decompress, thumbprint, verify } from '../../../src/keygw/web/js/session/p256.js';
import { entitlementBits, entitlementNames, fits, peekToken, readToken } from '../../../src/keygw/web/js/token/claims.js';
import { acknowledges, peekList, readList, readListAck } from '../../../src/keygw/web/js/token/list.js';
import { giveBack, proveInvitation, signGrant, wasFound } from '../../../src/keygw/web/js/token/proofs.js';
import { follows, readReceipt } from '../../../src/keygw/web/js/token/receipt.js';
import { vectors } from './vectors.js';

const { keys } = vectors('key_token/vectors/keys.json');
const point = (who) => decompress(fromHex(keys[who].public_key));
const ISSUERS = [{ issuer: keys.issuer.issuer, kid: fromHex(keys.issuer.kid), key: point('issuer') }];
const VEHICLE = keys.vehicle.vehicle_id;
const { cases } = vectors('key_token/vectors/invalid.json');

/** The verifier of the vectors: trusts the issuer, is about the vehicle. */
const READERS = {
  cwt: async (data) => {
    const claims = await readToken(data, ISSUERS);
    await fits(claims, VEHICLE, point('vehicle'), claims.deviceKey);
  },
  list: async (data) => {
    const list = await readList(data, ISSUERS);
    if (list.vehicleId !== VEHICLE) throw new SessionError('wrong_audience', 'another vehicle');
  },
  ack: (data) => readListAck(data, point('vehicle')),
  receipt: (data) => readReceipt(data, point('vehicle')),
};

test('every bad object is refused with its code', async () => {
  let tried = 0;
  for (const { name, object, data, code } of cases) {
    if (!(object in READERS)) continue;
    await assert.rejects(async () => READERS[object](fromHex(data)), { code }, `${object}: ${name}`);
    tried += 1;
  }
  assert.ok(tried >= 330, `only ${tried} were tried`);
});

test('tokens', async () => {
  for (const { name, claims, cwt } of vectors('key_token/vectors/tokens.json').tokens) {
    const told = peekToken(fromHex(cwt));
    if (claims.issuer === keys.issuer.issuer) assert.deepEqual(await readToken(fromHex(cwt), ISSUERS), told);
    const shown = {
      key_id: told.keyId, device_key: toHex(compress(told.deviceKey)), vehicle_id: told.vehicleId, vehicle_thumbprint: toHex(told.vehicleKey),
      role: told.role, entitlements: told.entitlements, index: told.index, issued_at: told.issuedAt, not_before: told.notBefore,
      expires_at: told.expiresAt, parent_id: told.parentId, depth: told.depth, max_depth: told.maxDepth, epoch: told.epoch,
    };
    for (const [field, value] of Object.entries(shown)) assert.equal(value, claims[field], `${name}: ${field}`);
  }
});

test('a token is for its vehicle and its device', async () => {
  const [{ cwt }] = vectors('key_token/vectors/tokens.json').tokens;
  const claims = peekToken(fromHex(cwt));
  await fits(claims, VEHICLE, point('vehicle'), point('owner_device'));
  await assert.rejects(fits(claims, VEHICLE, point('vehicle'), point('friend_device')), { code: 'wrong_audience' });
  await assert.rejects(fits(claims, VEHICLE, point('issuer'), point('owner_device')), { code: 'wrong_audience' });
});

test('entitlements by name', () => {
  assert.deepEqual(entitlementNames(71), ['status.read', 'door.lock', 'door.unlock', 'light.flash']);
  assert.equal(entitlementBits(entitlementNames(2047)), 2047);
  assert.throws(() => entitlementBits(['window.smash']), { code: 'misuse' });
});

test('lists and what vehicles sign for them', async () => {
  const { lists } = vectors('key_token/vectors/revocation.json');
  const [first, second] = await Promise.all(lists.map(({ signed }) => readList(fromHex(signed), ISSUERS)));
  for (const { fields, signed, hash, ack } of lists) {
    const list = await peekList(fromHex(signed));
    assert.deepEqual([list.vehicleId, list.sequence, list.revoked, list.suspended, list.minEpoch, list.issuedBefore, toHex(list.digest)],
      [fields.vehicle_id, fields.sequence, fields.revoked, fields.suspended, fields.min_epoch, fields.issued_before, hash]);
    const said = await readListAck(fromHex(ack.signed), point('vehicle'));
    assert.equal(said.bootEpoch, ack.boot_epoch);
    acknowledges(said, list);
  }
  const older = await readListAck(fromHex(lists[0].ack.signed), point('vehicle'));
  assert.ok(first.sequence < second.sequence);
  assert.throws(() => acknowledges(older, second), { code: 'wrong_audience' });
  assert.throws(() => acknowledges(older, { ...first, digest: second.digest }), { code: 'token_signature' });
});

test('receipts, chained', async () => {
  const all = [];
  for (const { fields, signed } of vectors('key_token/vectors/receipts.json').receipts) {
    const receipt = await readReceipt(fromHex(signed), point('vehicle'));
    assert.deepEqual([receipt.vehicleId, receipt.sequence, receipt.command, receipt.keyId, receipt.action, receipt.outcome, receipt.before, receipt.after],
      [fields.vehicle_id, fields.sequence, fields.number, fields.key_id, fields.action, fields.outcome, fields.before, fields.after]);
    all.push(receipt);
  }
  for (let i = 1; i < all.length; i++) follows(all[i - 1], all[i]);
  assert.throws(() => follows(all[0], all[2]), { code: 'receipt_chain' });
  assert.throws(() => follows(all[0], { ...all[1], previous: all[1].digest }), { code: 'receipt_chain' });
});

/** The device of the vectors, whose secret is theirs. */
async function deviceOf(who) {
  const { x, y } = point(who);
  const b64 = (bytes) => Buffer.from(bytes).toString('base64url');
  const jwk = { kty: 'EC', crv: 'P-256', x: b64(x), y: b64(y), d: b64(fromHex(keys[who].secret)) };
  const key = await crypto.subtle.importKey('jwk', jwk, { name: 'ECDSA', namedCurve: 'P-256' }, false, ['sign']);
  return {
    publicKey: { x, y },
    sign: async (data) => new Uint8Array(await crypto.subtle.sign({ name: 'ECDSA', hash: 'SHA-256' }, key, data)),
  };
}

/** The same header and payload as recorded, and a signature that holds; ours are random. */
async function same(made, recorded, who) {
  const [header, , payload, signature] = decode(made);
  const [theirs, , expected] = decode(fromHex(recorded));
  assert.deepEqual([toHex(header), toHex(payload)], [toHex(theirs), toHex(expected)]);
  const signed = encode(['Signature1', header, new Uint8Array(0), payload]);
  await verify(point(who), signature, signed, new Error('the signature does not hold'));
}

test('what the device says of itself', async () => {
  const friend = await deviceOf('friend_device');
  const possession = vectors('key_token/vectors/possession.json');
  const secret = fromHex(possession.secret);
  assert.equal(toHex(fromBase64url(possession.link.split('#')[1])), possession.secret);
  await same(await proveInvitation(friend, 'claim', possession.invitation_id, secret), possession.claim, 'friend_device');
  await same(await proveInvitation(friend, 'decline', possession.invitation_id, secret), possession.decline, 'friend_device');
  const said = vectors('key_token/vectors/statements.json');
  await same(await giveBack(friend, said.key_id), said.give_back, 'friend_device');
  await same(await wasFound(friend, said.device_id, said.loss), said.found, 'friend_device');
});

test('grants', async () => {
  const owner = await deviceOf('owner_device');
  const [{ fields, signed }] = vectors('key_token/vectors/grants.json').grants;
  const grant = {
    vehicleId: fields.vehicle_id, parentId: fields.parent_id, device: fromHex(fields.device), entitlements: fields.entitlements,
    issuedAt: fields.issued_at, notBefore: fields.not_before, expiresAt: fields.expires_at, depth: fields.depth, maxDepth: fields.max_depth,
  };
  await same(await signGrant(owner, grant), signed, 'owner_device');
  assert.equal(toHex(await thumbprint(point('friend_device'))), fields.device);
  for (const wrong of [{ depth: 0 }, { depth: 2, maxDepth: 1 }, { entitlements: 0 }, { expiresAt: grant.notBefore }]) {
    await assert.rejects(signGrant(owner, { ...grant, ...wrong }), { code: 'misuse' });
  }
});
