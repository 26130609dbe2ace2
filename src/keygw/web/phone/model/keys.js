// Shared keys as their owner sees them: one row for a person, from the offer of a link to the car's last word.

/**
 * @typedef {{id: string, vehicle_id: string, device_id: string, role: string, label: string, profile: string | null,
 *   entitlements: string[], state: string, stage: string, suspended_for: string[], parent_id: string | null, depth: number,
 *   expires_at: string, issued_at: string, list: {current: number, acknowledged: number}}} Key
 * @typedef {{id: string, state: string, vehicle_id: string, parent_id: string, key_id: string | null, label: string,
 *   profile: string | null, entitlements: string[], needs_activation_code: boolean, wrong_codes: number, other_claims: number,
 *   created_at: string, expires_at: string, key_expires_at: string | null, key_lifetime_seconds: number | null}} Invitation
 * @typedef {'invited' | 'claimed' | 'issued' | 'active' | 'suspending' | 'suspended' | 'resuming' | 'revoking' | 'revoked' | 'expired'
 *   | 'declined' | 'cancelled' | 'locked' | 'ended' | 'lapsed'} Standing
 * @typedef {{id: string, label: string, standing: Standing, tone: 'ok' | 'waiting' | 'refused' | '', over: boolean, key: Key | null,
 *   invitation: Invitation | null, until: string | null, entitlements: string[], profile: string | null, since: string,
 *   may: string[]}} Row
 */

const TONE = /** @type {Record<string, Row['tone']>} */ ({
  invited: 'waiting', claimed: 'waiting', issued: 'ok', active: 'ok', suspending: 'waiting', suspended: 'refused',
  resuming: 'waiting', revoking: 'waiting', revoked: 'refused', locked: 'refused',
});
const OVER = new Set(['revoked', 'expired', 'declined', 'cancelled', 'locked', 'ended', 'lapsed']);
const OF_INVITATION = /** @type {Record<string, Standing>} */ ({
  open: 'invited', claimed: 'claimed', declined: 'declined', cancelled: 'cancelled', locked: 'locked', ended: 'ended', expired: 'lapsed',
});

/**
 * What a key is, and whether the car knows. A suspension that the car has not acknowledged is no suspension yet.
 * @param {Key} key
 * @returns {Standing}
 */
export function standingOf(key) {
  const heard = key.list.acknowledged >= key.list.current;
  if (key.state === 'suspended') return heard ? 'suspended' : 'suspending';
  if (key.state === 'revoking' || key.state === 'revoked' || key.state === 'expired') return /** @type {Standing} */ (key.state);
  return key.stage === 'issued' ? 'issued' : 'active';
}

/**
 * @param {readonly Key[]} keys those of others: neither of this phone nor of what it stands on
 * @param {readonly Invitation[]} invitations
 * @returns {Row[]} those that live first, each half newest first
 */
export function rows(keys, invitations) {
  const byKey = new Map(invitations.filter((each) => each.key_id).map((each) => [each.key_id, each]));
  const found = keys.map((key) => rowOfKey(key, byKey.get(key.id) ?? null));
  for (const invitation of invitations) {
    if (!invitation.key_id && invitation.state !== 'accepted') found.push(rowOfInvitation(invitation));
  }
  return found.sort((a, b) => Number(a.over) - Number(b.over) || b.since.localeCompare(a.since));
}

/** @param {Key} key @param {Invitation | null} invitation @returns {Row} */
function rowOfKey(key, invitation) {
  const standing = standingOf(key);
  const may = OVER.has(standing) || standing === 'revoking' ? []
    : standing === 'suspended' || standing === 'suspending' ? ['resume', 'revoke'] : ['suspend', 'revoke'];
  return {
    id: key.id, label: key.label || invitation?.label || '', standing, tone: TONE[standing] ?? '', over: OVER.has(standing), key,
    invitation, until: key.expires_at, entitlements: key.entitlements, profile: key.profile, since: key.issued_at, may,
  };
}

/** @param {Invitation} invitation @returns {Row} */
function rowOfInvitation(invitation) {
  const standing = OF_INVITATION[invitation.state] ?? 'ended';
  return {
    id: invitation.id, label: invitation.label, standing, tone: TONE[standing] ?? '', over: OVER.has(standing), key: null, invitation,
    until: invitation.key_expires_at, entitlements: invitation.entitlements, profile: invitation.profile, since: invitation.created_at,
    may: OVER.has(standing) ? [] : ['cancel'],
  };
}

/**
 * Keys that were shared from ours, not ours and not what ours stands on.
 * @param {readonly Key[]} keys all that the gateway shows
 * @param {ReadonlySet<string>} mine ids of keys of this phone and of its gateway account
 */
export function others(keys, mine) {
  return keys.filter((key) => key.role !== 'owner' && !mine.has(key.id));
}
