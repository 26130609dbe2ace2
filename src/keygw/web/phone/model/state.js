// Everything that the page shows, in one value, and how it changes. No DOM, no network, no clock.

import { IDLE, next } from './action.js';

/** @import {Doing, Event as DoingEvent} from './action.js' */
/** @import {Signal} from './car.js' */
/** @import {Invitation, Key} from './keys.js' */

/**
 * A key in this phone, and the car it is for.
 * @typedef {{keyId: string, vehicleId: string, name: string, role: string, label: string, entitlements: string[], state: string,
 *   expires_at: string, token_expires_at: string | null, parentId: string | null, lost: boolean}} Mine
 * @typedef {{sequence: number, key_id: string, action: string, outcome: string, ok: boolean, at: string | null}} Receipt
 * @typedef {'auto' | 'bluetooth' | 'relay'} Choice
 * @typedef {{phase: 'opening' | 'welcome' | 'ready' | 'broken', fault: string | null, place: string, online: boolean, loaded: number | null,
 *   keys: Mine[], mine: Mine | null, shared: Key[], invitations: Invitation[], account: string[], shareFrom: string | null,
 *   signals: Record<string, Signal>, receipts: Receipt[], metAt: number | null, doing: Doing,
 *   ways: {bluetooth: string, relay: string}, choice: Choice, way: 'bluetooth' | 'relay' | null, simulator: boolean, told: string | null}} State
 */

/** @type {State} */
export const START = Object.freeze({
  phase: 'opening', fault: null, place: 'key', online: true, loaded: null, keys: [], mine: null, shared: [], invitations: [], account: [], shareFrom: null,
  signals: {}, receipts: [], metAt: null, doing: IDLE, ways: { bluetooth: 'absent', relay: 'offline' }, choice: 'auto', way: null, simulator: false, told: null,
});
export const MOST_RECEIPTS = 200;

/**
 * @typedef {{type: 'set', values: Partial<State>} | {type: 'doing', event: DoingEvent} | {type: 'signals', signals: Signal[]}
 *   | {type: 'receipts', receipts: Receipt[]} | {type: 'mine', keys: Mine[]} | {type: 'choose', vehicleId: string} | {type: 'left'}} Change `left`: the car that was near is not there any more
 */

/** @param {State} state @param {Change} change @returns {State} */
export function reduce(state, change) {
  switch (change.type) {
    case 'set':
      return derived({ ...state, ...change.values });
    case 'doing':
      return { ...state, doing: next(state.doing, change.event) };
    case 'signals':
      return { ...state, signals: withSignals(state.signals, change.signals) };
    case 'receipts':
      return { ...state, receipts: withReceipts(state.receipts, change.receipts) };
    case 'mine': {
      const mine = change.keys.find((each) => each.vehicleId === state.mine?.vehicleId) ?? change.keys[0] ?? null;
      return derived({ ...state, keys: change.keys, mine, phase: mine ? 'ready' : 'welcome' });
    }
    case 'choose': {
      const mine = state.keys.find((each) => each.vehicleId === change.vehicleId) ?? state.mine;
      return mine === state.mine ? state : { ...state, mine, signals: {}, shared: [], invitations: [], receipts: [], metAt: null, doing: IDLE, loaded: null };
    }
    case 'left':
      return { ...state, signals: Object.fromEntries(Object.entries(state.signals).map(([path, each]) => [path, each.near ? { ...each, quality: 'stale', near: false } : each])) };
    default:
      return state;
  }
}

/** Which way a tap would go now. @param {State} state @returns {State} */
function derived(state) {
  const { bluetooth, relay } = state.ways;
  const ok = { bluetooth: bluetooth === 'ok', relay: relay === 'ok' };
  const wanted = state.choice === 'auto' ? (ok.bluetooth ? 'bluetooth' : 'relay') : state.choice;
  return { ...state, way: ok[wanted] ? wanted : null };
}

/**
 * The newer word counts, by the car's own clock, which a session tells in whole seconds; of one second the live word.
 * @param {Record<string, Signal>} known @param {Signal[]} heard
 */
function withSignals(known, heard) {
  const all = { ...known };
  for (const signal of heard) {
    const before = all[signal.path];
    if (signal.error) delete all[signal.path];
    else if (!before || (signal.quality !== 'unknown' && (second(signal) > second(before) || (second(signal) === second(before) && (signal.quality === 'live' || before.quality !== 'live'))))) {
      all[signal.path] = signal;
    }
  }
  return all;
}

/** @param {Signal} signal */
const second = (signal) => Math.floor((Date.parse(signal.ts ?? '') || 0) / 1000);

/** @param {Receipt[]} known @param {Receipt[]} heard newest first, each once */
function withReceipts(known, heard) {
  const all = new Map([...known, ...heard].map((each) => [each.sequence, each]));
  return [...all.values()].sort((a, b) => b.sequence - a.sequence).slice(0, MOST_RECEIPTS);
}
