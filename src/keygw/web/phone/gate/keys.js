// The keys of this phone: how they come, are kept, renewed, and given back.

import * as api from './api.js';
import * as db from './db.js';
import { codeOf, Fault } from './fault.js';
import * as proofs from './proofs.js';

/** @import {Kept} from './tap.js' */

/** @returns {Promise<Kept[]>} */
export const all = async () => (await db.get('keys')) ?? [];

/** Changes one key, or adds it; no other tab comes between. @param {Kept} key */
export const keep = (key) => db.alone('keys', async () => db.put('keys', [...(await all()).filter((each) => each.token.vehicle.id !== key.token.vehicle.id), key]));

/** @param {string} keyId @param {Partial<Kept>} values */
export const change = (keyId, values) => db.alone('keys', async () => db.put('keys', (await all()).map((each) => (each.keyId === keyId ? { ...each, ...values } : each))));

/** @param {any} key the gateway's resource @param {any} token @param {'owner' | 'friend'} role @param {Kept['link']} link @returns {Kept} */
const keptOf = (key, token, role, link) => ({
  keyId: key.id, index: key.index, role, label: key.label, entitlements: key.entitlements, state: key.state, expires_at: key.expires_at, parentId: key.parent_id,
  token, pair: null, kept: false, link, lost: false,
});

/**
 * An owner's phone gets a key of its own: shared from the key that the gateway holds for this grant.
 * @param {(step: 'key' | 'fetch') => void} onStep @returns {Promise<Kept>}
 */
export async function makeOwn(onStep) {
  onStep('key');
  const me = await proofs.identity();
  const { challenge } = await api.call('POST', '/v1/devices/challenges', {});
  await api.call('POST', '/v1/devices', { public_key: me.publicKey, challenge, proof: await proofs.proveRegistration(challenge), label: 'keygw phone' });
  const [{ keys }, { devices }] = await Promise.all([api.call('GET', '/v1/keys'), api.call('GET', '/v1/devices')]);
  const parent = hosted(keys, devices)[0];
  if (!parent) throw new Fault('no_key');
  const known = keys.find((/** @type {any} */ key) => key.device_id === me.id && key.vehicle_id === parent.vehicle_id && key.state === 'active');
  const rights = parent.entitlements.filter((/** @type {string} */ right) => !right.startsWith('key.'));
  const key = known ?? await api.call('POST', `/v1/keys/${parent.id}:share`, { public_key: me.publicKey, entitlements: rights, expires_at: parent.expires_at, label: 'keygw phone' });
  onStep('fetch');
  const kept = keptOf(key, await api.call('GET', `/v1/keys/${key.id}/token`), 'owner', null);
  await keep(kept);
  return kept;
}

/** Live keys that the gateway holds for this grant, newest first. @param {any[]} keys @param {any[]} devices */
export function hosted(keys, devices) {
  const ours = new Set(devices.filter((each) => each.kind === 'hosted').map((each) => each.id));
  return keys.filter((key) => ours.has(key.device_id) && key.state === 'active').sort((a, b) => b.issued_at.localeCompare(a.issued_at));
}

/** What a link offers. @param {{id: string, secret: string}} link @returns {Promise<any>} */
export const look = ({ id, secret }) => api.open(`/v1/invitations/${id}:view`, { secret });

/** @param {{id: string, secret: string}} link @param {string | null} code @returns {Promise<Kept | null>} null while its sender's phone owes a signature */
export async function claim(link, code) {
  const me = await proofs.identity();
  const body = { secret: link.secret, public_key: me.publicKey, proof: await proofs.proveInvitation(1, link.id, link.secret), ...(code ? { activation_code: code } : {}) };
  let got;
  try {
    await api.enterInvited(link.id, link.secret);
    got = await api.call('POST', `/v1/invitations/${link.id}:claim`, body);
  } catch (error) {
    // A gateway that lets no guests in still gives the key: it works by Bluetooth.
    if (!['unsupported_grant_type', 'token_unknown'].includes(codeOf(error))) throw error;
    got = await api.open(`/v1/invitations/${link.id}:claim`, body);
  }
  if (!got.key || !got.token) return null;
  const kept = keptOf(got.key, got.token, 'friend', link);
  await keep(kept);
  return kept;
}

/** @param {{id: string, secret: string}} link */
export const decline = ({ id, secret }) => api.open(`/v1/invitations/${id}:decline`, { secret });

/** The newest token, chain and list. @param {Kept} key @returns {Promise<Kept>} */
export async function renew(key) {
  const token = await api.call('GET', `/v1/keys/${key.keyId}/token`);
  const same = token.cwt === key.token.cwt;
  const values = { token, ...(same ? {} : { kept: false, pair: null }) };
  await change(key.keyId, values);
  return { ...key, ...values };
}

/** The phone's own word that it gives the key up; needs no token. @param {Kept} key */
export async function giveBack(key) {
  const me = await proofs.identity();
  await api.open(`/v1/keys/${key.keyId}:give-back`, { public_key: me.publicKey, proof: await proofs.state(1, key.keyId, 0) }).catch((error) => {
    if (!['key_revoked', 'key_expired', 'unknown_key'].includes(codeOf(error))) throw error; // it is over already
  });
  await db.alone('keys', async () => db.put('keys', (await all()).filter((each) => each.keyId !== key.keyId)));
}

/** This phone says that it is back. */
export async function found() {
  const me = await proofs.identity();
  const { loss } = await api.call('GET', `/v1/devices/${me.id}/loss`);
  await api.call('POST', `/v1/devices/${me.id}:found`, { proof: await proofs.state(2, me.id, loss) });
}
