// The one large action: what it is doing, in words that are already true. No DOM, no clock.

/**
 * `searching`: no car yet. `near`: the car answers. `verifying`: the key is being proven. `asked`: the command is out.
 * `done`: the car has said so. `failed`: it did not happen. `unsure`: it may have happened.
 * @typedef {'idle' | 'searching' | 'near' | 'verifying' | 'asked' | 'done' | 'failed' | 'unsure'} Phase
 * @typedef {{phase: Phase, action: string | null, link: 'bluetooth' | 'relay' | null, code: string | null,
 *   reached: Phase, ms: number | null, road: string | null, number: number | null}} Doing `number`: of what may have happened
 * @typedef {{type: 'tap', action: string, link: 'bluetooth' | 'relay'} | {type: 'step', step: 'searching' | 'near' | 'verifying' | 'asked'}
 *   | {type: 'done', code: string, ms: number, road: string | null} | {type: 'failed', code: string, unsure: boolean, number?: number | null}
 *   | {type: 'left', action: string, number: number} | {type: 'forget'}} Event `left`: by a page that was closed before the answer came
 */

/** @type {readonly Phase[]} */
export const STEPS = Object.freeze(['searching', 'near', 'verifying', 'asked', 'done']);
export const OPENING = Object.freeze(['searching', 'near', 'verifying', 'asked']);

/** @type {Doing} */
export const IDLE = Object.freeze({ phase: 'idle', action: null, link: null, code: null, reached: 'idle', ms: null, road: null, number: null });

/** @param {Doing} doing */
export const busy = (doing) => OPENING.includes(doing.phase);

/**
 * @param {Doing} doing
 * @param {Event} event
 * @returns {Doing}
 */
export function next(doing, event) {
  switch (event.type) {
    case 'tap':
      return busy(doing) ? doing : { ...IDLE, phase: 'searching', reached: 'searching', action: event.action, link: event.link };
    case 'step':
      // A step never goes back: what was true of this tap stays true, and a late word of a former one is none.
      if (!busy(doing) || STEPS.indexOf(event.step) < STEPS.indexOf(doing.phase)) return doing;
      return { ...doing, phase: event.step, reached: event.step };
    case 'done':
      return busy(doing) ? { ...doing, phase: 'done', reached: 'done', code: event.code, ms: event.ms, road: event.road } : doing;
    case 'failed':
      return busy(doing) ? { ...doing, phase: event.unsure ? 'unsure' : 'failed', code: event.code, number: event.unsure ? (event.number ?? null) : null } : doing;
    case 'left':
      return busy(doing) ? doing : { ...IDLE, phase: 'unsure', reached: 'asked', action: event.action, code: 'page_left', number: event.number };
    case 'forget':
      return busy(doing) ? doing : IDLE;
    default:
      return doing;
  }
}

/**
 * What the large action offers: the opposite of what the lock is known to be. Of an unknown lock it offers to unlock:
 * that is what somebody who stands before a car wants to try.
 * @param {boolean | null} locked
 * @param {ReadonlySet<string>} may actions that the key allows
 * @returns {string | null}
 */
export function offered(locked, may) {
  const wanted = locked === false ? 'lock' : 'unlock';
  const other = wanted === 'lock' ? 'unlock' : 'lock';
  return [wanted, other, 'open_trunk'].find((action) => may.has(action)) ?? null;
}

/** Entitlement -> action. The engine is left out: the page does not yet ask a person to show that they are there. @type {Record<string, string>} */
const BY_RIGHT = {
  'door.unlock': 'unlock', 'door.lock': 'lock', 'trunk.open': 'open_trunk', 'light.flash': 'flash_lights',
};

/** @param {readonly string[]} entitlements @returns {Set<string>} */
export function actionsOf(entitlements) {
  return new Set(entitlements.map((right) => BY_RIGHT[right]).filter((action) => action !== undefined));
}
