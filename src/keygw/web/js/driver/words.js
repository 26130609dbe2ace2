// The names that the API uses for what the wire has as numbers.

import { ACTION, OUTCOME } from '../session/codes.js';
import { Fault } from '../fault.js';

const lower = (/** @type {Record<string, number>} */ table) => new Map(Object.entries(table).map(([name, value]) => [value, name.toLowerCase()]));
const OUTCOMES = lower(OUTCOME);
const ACTIONS = lower(ACTION);

/** @param {number} outcome @returns {string} such as `door_open` */
export const outcomeWord = (outcome) => OUTCOMES.get(outcome) ?? `outcome_${outcome}`;

/** @param {number} action @returns {string} such as `open_trunk` */
export const actionWord = (action) => ACTIONS.get(action) ?? `action_${action}`;

/** @param {string} word @returns {number} @throws {Fault} unknown_action */
export function actionNumber(word) {
  const found = [...ACTIONS].find(([number, name]) => name === word && number < 128);
  if (!found) throw new Fault('unknown_action', { detail: 'no action of a car' });
  return found[0];
}
