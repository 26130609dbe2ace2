// The keys of this phone: how they come, are renewed, and given back. The keyring holds them; `extra` is what the page shows.

import { fromBase64url, toBase64url } from '../js/session/bytes.js';
import { codeOf, Fault } from '../js/fault.js';
import { giveBack as sayGivenBack, proveInvitation, proveRegistration, wasFound } from '../js/token/proofs.js';
import { GUEST } from './device.js';

/** @import {HeldKey} from '../js/store/keyring.js' */
/** @import {Device} from './device.js' */
/** @import {Mine} from './model/state.js' */

/** An invitation's link: its id, and the secret behind the `#`. @typedef {{id: string, secret: string}} Link */
/** Of the gateway's resource, kept with the key. @typedef {{role: 'owner' | 'friend', label: string, entitlements: string[], state: string, expires_at: string, token_expires_at: string | null, parentId: string | null, lost: boolean}} Extra */

/** @param {HeldKey} key @returns {Mine} */
export const mineOf = ({ keyId, vehicle, extra }) => ({ keyId, vehicleId: vehicle.id, name: vehicle.name, ...extra });

/** @param {any} key the gateway's resource @param {any} token @param {Extra['role']} role @returns {Extra} */
const extraOf = (key, token, role) => ({
  role, label: key.label, entitlements: key.entitlements, state: key.state, expires_at: key.expires_at, token_expires_at: token.expires_at, parentId: key.parent_id, lost: false,
});

/**
 * An owner's phone gets a key of its own: shared from the key that the gateway holds for this grant.
 * @param {Device} device @param {(step: 'key' | 'fetch') => void} onStep @returns {Promise<HeldKey>}
 */
export async function makeOwn({ api, keyring }, onStep) {
  onStep('key');
  const get = async (/** @type {string} */ path) => (await api.call('GET', path)).body;
  const me = await keyring.identity();
  const { challenge } = (await api.call('POST', '/v1/devices/challenges', { body: {} })).body;
  const proof = toBase64url(await proveRegistration(await keyring.device(), fromBase64url(challenge)));
  await api.call('POST', '/v1/devices', { body: { public_key: me.publicKey, challenge, proof, label: api.name } });
  const [{ keys }, { devices }] = await Promise.all([get('/v1/keys'), get('/v1/devices')]);
  const parent = hosted(keys, devices)[0];
  if (!parent) throw new Fault('no_key');
  const known = keys.find((/** @type {any} */ key) => key.device_id === me.id && key.vehicle_id === parent.vehicle_id && key.state === 'active');
  const rights = parent.entitlements.filter((/** @type {string} */ right) => !right.startsWith('key.'));
  const wish = { public_key: me.publicKey, entitlements: rights, expires_at: parent.expires_at, label: api.name };
  const key = known ?? (await api.call('POST', `/v1/keys/${parent.id}:share`, { body: wish })).body;
  onStep('fetch');
  const token = await get(`/v1/keys/${key.id}/token`);
  return keyring.take(token, extraOf(key, token, 'owner'));
}

/** Live keys that the gateway holds for this grant, newest first. @param {any[]} keys @param {any[]} devices */
export function hosted(keys, devices) {
  const ours = new Set(devices.filter((each) => each.kind === 'hosted').map((each) => each.id));
  return keys.filter((key) => ours.has(key.device_id) && key.state === 'active').sort((a, b) => b.issued_at.localeCompare(a.issued_at));
}

/** What a link offers. @param {Device} device @param {Link} link @returns {Promise<any>} */
export const look = ({ api }, { id, secret }) => api.open(`/v1/invitations/${id}:view`, { secret });

/** @param {Device} device @param {Link} link @param {string | null} code @returns {Promise<HeldKey | null>} null while its sender's phone owes a signature */
export async function claim({ api, keyring }, link, code) {
  const { publicKey } = await keyring.identity();
  const proof = toBase64url(await proveInvitation(await keyring.device(), 'claim', link.id, fromBase64url(link.secret)));
  const body = { secret: link.secret, public_key: publicKey, proof, ...(code ? { activation_code: code } : {}) };
  let got;
  try {
    if (!(await api.held())) await api.enterByInvitation(link.id, link.secret, { scope: GUEST }); // whoever is in already stays as it is
    got = (await api.call('POST', `/v1/invitations/${link.id}:claim`, { body })).body;
  } catch (error) {
    // A gateway that lets no guests in still gives the key: it works by Bluetooth.
    if (!['unsupported_grant_type', 'token_missing'].includes(codeOf(error))) throw error;
    got = await api.open(`/v1/invitations/${link.id}:claim`, body);
  }
  return got.key && got.token ? keyring.take(got.token, extraOf(got.key, got.token, 'friend')) : null;
}

/** @param {Device} device @param {Link} link */
export const decline = ({ api }, { id, secret }) => api.open(`/v1/invitations/${id}:decline`, { secret });

/** The newest token, chain and list. @param {Pick<Device, 'api' | 'keyring'>} device @param {HeldKey} key */
export async function renew({ api, keyring }, key) {
  const token = (await api.call('GET', `/v1/keys/${key.keyId}/token`)).body;
  if (token.cwt === toBase64url(key.cwt)) {
    if (token.revocation_list) await keyring.takeList(token.revocation_list);
    return;
  }
  await keyring.take(token);
  await keyring.annotate(key.vehicle.id, { token_expires_at: token.expires_at });
}

/** The phone's own word that it gives the key up; needs no token. @param {Device} device @param {HeldKey} key */
export async function giveBack({ api, keyring }, key) {
  const { publicKey } = await keyring.identity();
  const proof = toBase64url(await sayGivenBack(await keyring.device(), key.keyId));
  await api.open(`/v1/keys/${key.keyId}:give-back`, { public_key: publicKey, proof }).catch((error) => {
    if (!['key_revoked', 'key_expired', 'unknown_key'].includes(codeOf(error))) throw error; // it is over already
  });
  await keyring.drop(key.vehicle.id);
}

/** This phone says that it is back. @param {Device} device */
export async function found({ api, keyring }) {
  const { id } = await keyring.identity();
  const { loss } = (await api.call('GET', `/v1/devices/${id}/loss`)).body;
  await api.call('POST', `/v1/devices/${id}:found`, { body: { proof: toBase64url(await wasFound(await keyring.device(), id, loss)) } });
}
