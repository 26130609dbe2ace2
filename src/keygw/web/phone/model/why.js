// Why it did not work: which step failed, and the way out. By stable codes alone; sentences of a server are not shown.

/**
 * The steps of a tap, as a person sees them.
 * @typedef {'way' | 'car' | 'key' | 'deed'} Step `way`: to the gateway or by Bluetooth; `car`: the car answers; `key`: it
 *   takes the key; `deed`: it does it
 * @typedef {'again' | 'renew' | 'ask' | 'pair' | 'confirm' | 'bluetooth' | 'relay' | null} Remedy what the page offers
 * @typedef {{code: string, step: Step, remedy: Remedy, passing: boolean}} Why
 */

/** @type {readonly Step[]} */
export const STEPS = Object.freeze(['way', 'car', 'key', 'deed']);

/** @type {Record<string, [Step, Remedy]>} */
const KNOWN = {
  no_gateway: ['way', 'bluetooth'], offline: ['way', 'bluetooth'], gateway_timeout: ['way', 'again'], gateway_stopping: ['way', 'again'],
  token_expired: ['way', 'pair'], token_revoked: ['way', 'pair'], token_unknown: ['way', 'pair'], token_missing: ['way', 'pair'], invalid_grant: ['way', 'pair'],
  invalid_client: ['way', 'pair'], invalid_dpop_proof: ['way', 'again'], insufficient_scope: ['way', 'pair'],
  bluetooth_absent: ['way', 'relay'], bluetooth_off: ['way', 'relay'], bluetooth_forbidden: ['way', 'relay'],
  chooser_cancelled: ['way', 'again'], wrong_vehicle: ['car', 'again'], cancelled: ['way', 'again'], radio_unavailable: ['way', 'again'], radio_busy: ['way', 'again'],
  no_phone_key: ['way', 'pair'], no_key: ['way', 'pair'], bad_key: ['way', 'pair'], overloaded: ['way', 'again'], store_unavailable: ['way', 'again'],
  internal: ['way', 'again'],
  out_of_range: ['car', 'again'], link_timeout: ['car', 'again'], link_lost: ['car', 'again'], busy: ['car', 'again'],
  gave_way: ['car', 'again'], held_elsewhere: ['car', 'again'], relay_over: ['car', 'again'], relay_idle: ['car', 'again'],
  slow_consumer: ['car', 'again'], timed_out: ['car', 'again'], vehicle_not_trusted: ['car', null], version_unsupported: ['car', null],
  breach: ['key', 'again'], refused: ['key', 'again'], session_over: ['key', 'again'], protocol_violation: ['key', 'again'],
  key_revoked: ['key', 'ask'], key_suspended: ['key', 'ask'], key_expired: ['key', 'ask'], key_not_yet_valid: ['key', 'again'],
  not_enrolled: ['key', 'pair'], parent_ended: ['key', 'ask'], time_proof_required: ['key', 'relay'], list_required: ['key', 'relay'],
  chain_required: ['key', 'ask'], chain_refused: ['key', 'ask'], list_stale: ['key', 'relay'], token_malformed: ['key', 'renew'],
  not_entitled: ['deed', 'ask'], door_open: ['deed', 'again'], in_motion: ['deed', 'again'], vehicle_asleep: ['deed', 'again'],
  command_expired: ['deed', 'again'], proximity_required: ['deed', 'bluetooth'], unknown_action: ['deed', null], fault: ['deed', null],
  number_reused: ['deed', 'again'], no_answer: ['deed', 'again'], page_left: ['deed', 'again'],
};

export const CODES = Object.freeze(Object.keys(KNOWN));

/** How far a tap had come -> the step in which a code that nobody has heard of must have arisen. */
const BY_PHASE = /** @type {Record<string, Step>} */ ({ idle: 'way', searching: 'car', near: 'key', verifying: 'key', asked: 'deed', done: 'deed' });

/**
 * @param {string} code
 * @param {string} [reached] the phase of the action in which it came
 * @returns {Why} `code` is `other` where the page has no words of its own for it
 */
export function why(code, reached = 'idle') {
  const known = KNOWN[code];
  if (!known) return { code: 'other', step: BY_PHASE[reached] ?? 'way', remedy: 'again', passing: true };
  // Who refuses a key before the car was reached is the gateway, which lends it no link.
  if (known[0] === 'key' && reached === 'searching') return { code, step: 'way', remedy: known[1], passing: known[1] === 'again' };
  // A link that breaks after the command was sent breaks in the last step, whatever its name says.
  const step = known[0] === 'car' && (reached === 'asked' || reached === 'verifying') ? BY_PHASE[reached] : known[0];
  return { code, step, remedy: known[1], passing: known[1] === 'again' };
}
