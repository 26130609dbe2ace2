// What can be shared, and for how long: the wizard's choices, and the request that they make. No DOM.

/** @typedef {{name: string, profile: string, until: string, custom: string, code: boolean}} Wish */
/** @typedef {{name: string, entitlements: string[], roles?: string[], longest_seconds?: number | null}} Profile */

export const DAY = 86400;
/** Profiles in the order in which people want them. */
export const PROFILES = Object.freeze(['access', 'driver', 'valet', 'delivery', 'service']);
/** Choice -> seconds. `custom` is a day of the calendar. @type {Record<string, number | null>} */
export const SPANS = Object.freeze({ hours2: 7200, day: DAY, weekend: 3 * DAY, week: 7 * DAY, month: 30 * DAY, custom: null });
/** The longest that a key of a profile may live, where the gateway does not say. @type {Record<string, number>} */
export const LONGEST = Object.freeze({ valet: 7 * DAY, delivery: 7 * DAY, service: 31 * DAY });
export const MOST_NAME = 80;

/** @type {Wish} */
export const FIRST = Object.freeze({ name: '', profile: 'access', until: 'weekend', custom: '', code: true });

/**
 * The first thing that is wrong, as a key of the words; null if the wish can be sent.
 * @param {Wish} wish
 * @param {number} now milliseconds
 * @param {number} [end] milliseconds: of the key that is shared from
 * @returns {{field: string, fault: string} | null}
 */
export function faultOf(wish, now, end = Infinity) {
  const name = wish.name.trim();
  if (!name) return { field: 'name', fault: 'share.fault.name' };
  if (name.length > MOST_NAME || /[\u0000-\u001f\u007f\u202a-\u202e\u2066-\u2069]/u.test(name)) return { field: 'name', fault: 'share.fault.letters' };
  const until = endOf(wish, now);
  if (until === null || until <= now) return { field: 'custom', fault: 'share.fault.past' };
  const longest = LONGEST[wish.profile];
  if (longest && until > now + longest * 1000 + 60_000) return { field: 'until', fault: 'share.fault.long' };
  if (until > end) return { field: 'until', fault: 'share.fault.outlives' };
  return null;
}

/** @param {Wish} wish @param {number} now @returns {number | null} milliseconds; the end of the day that was chosen */
export function endOf(wish, now) {
  const span = SPANS[wish.until];
  if (span) return now + span * 1000;
  const match = /^(\d{4})-(\d\d)-(\d\d)$/.exec(wish.custom);
  if (!match) return null;
  const at = new Date(Number(match[1]), Number(match[2]) - 1, Number(match[3]), 23, 59, 59).getTime();
  return Number.isFinite(at) ? at : null;
}

/**
 * The body of `POST /v1/keys/{id}/invitations`. A span counts from the moment in which the friend accepts.
 * @param {Wish} wish
 * @param {number} now
 */
export function bodyOf(wish, now) {
  const span = SPANS[wish.until];
  const until = span ? { lifetime_seconds: span } : { expires_at: new Date(endOf(wish, now) ?? now).toISOString() };
  return { profile: wish.profile, label: wish.name.trim(), activation_code: wish.code, ...until };
}

/** The rights that a profile gives, where the gateway does not say. @type {Record<string, string[]>} */
export const RIGHTS = Object.freeze({
  driver: ['status.read', 'door.lock', 'door.unlock', 'trunk.open', 'window.move', 'climate.set', 'light.flash', 'charge.control', 'engine.start'],
  access: ['status.read', 'door.lock', 'door.unlock'],
  valet: ['status.read', 'door.lock', 'door.unlock', 'engine.start'],
  delivery: ['status.read', 'trunk.open'],
  service: ['status.read', 'door.lock', 'door.unlock', 'light.flash', 'engine.start'],
});

/** Only what the parent key holds can be given. @param {string} profile @param {readonly string[]} held */
export const givable = (profile, held) => (RIGHTS[profile] ?? []).every((right) => held.includes(right));

/**
 * The same offer as an address of this page: whoever scans it is at once where it is accepted. The secret stays behind the `#`.
 * @param {string} link as the gateway gives it
 */
export const pageLink = (link) => link.replace(/\/i\/(inv_[a-z2-7]{16})#([A-Za-z0-9_-]{43})$/, '/phone/#/accept/$1/$2');

/**
 * An invitation's link, as somebody pastes it: the id, and the secret behind the `#`.
 * @param {string} text
 * @returns {{id: string, secret: string} | null}
 */
export function readLink(text) {
  const match = /\/(?:i|phone\/#\/accept)\/(inv_[a-z2-7]{16})[#/]([A-Za-z0-9_-]{43})$/.exec(text.trim());
  return match ? { id: match[1], secret: match[2] } : null;
}
