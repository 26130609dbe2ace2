// This phone at the car: a tap, a look, and a meeting that stays. Two ways lead there, and above them nothing differs.

import { codeOf, Fault } from '../js/fault.js';
import { FAST_ACTIONS, isSuccess } from '../js/session/codes.js';
import { actionNumber, actionWord, outcomeWord } from '../js/driver/words.js';
import { busy } from './model/action.js';
import { carOf, signalsOf } from './model/car.js';

/** @import {Meeting} from '../js/driver/meeting.js' */
/** @import {Receipt as Signed} from '../js/token/receipt.js' */
/** @import {Device} from './device.js' */
/** @import {Book} from './model/book.js' */
/** @import {Receipt} from './model/state.js' */

const SHOWN_MS = 2600;
/** A look is given up soon: a tap may wait behind it. */
const LOOK_MS = 3000;
/** So long it is worth to ask once more for what may have happened: the car remembers the number for longer. */
const TRYING_MS = 600_000;

/** @param {Signed} signed @returns {Receipt} */
const receiptOf = ({ sequence, keyId, action, outcome, at }) => ({ sequence, key_id: keyId, action: actionWord(action), outcome: outcomeWord(outcome), ok: isSuccess(outcome), at: at ? new Date(at * 1000).toISOString() : null });
/** @param {string} action */
const isFast = (action) => FAST_ACTIONS.includes(/** @type {1} */ (actionNumber(action)));

/** @param {Book} book @param {Device} device @param {{handIn: () => Promise<void>, remember: () => Promise<void>, soon: () => void}} gateway */
export function makeCar(book, { api, keyring, driver, airs, store }, gateway) {
  const { make, set } = book;
  /** Over Bluetooth: the browser has asked for the car once, and the session stays. @type {{vehicleId: string, meeting: Meeting} | null} */
  let near = null;
  const doing = (/** @type {import('./model/action.js').Event} */ event) => make({ type: 'doing', event });
  const heard = (/** @type {boolean} */ stays) => (/** @type {{signal: number, value: boolean | number | string, at: number}[]} */ signals) => {
    make({ type: 'signals', signals: signalsOf(signals, Date.now(), stays) });
    set({ metAt: Date.now() });
  };
  const gone = () => {
    near = null;
    make({ type: 'left' });
  };

  /** @param {string} vehicleId @param {string} action @param {'bluetooth' | 'relay'} way @param {{number: number, onStep: (step: any) => void}} how */
  async function ask(vehicleId, action, way, how) {
    if (way === 'relay') return driver.tap(airs.relay, vehicleId, action, { ...how, onSignals: heard(false) });
    const stands = near?.vehicleId === vehicleId && near.meeting.alive && (!near.meeting.quick || isFast(action));
    if (near && stands) {
      const began = performance.now();
      how.onStep('near');
      const told = await near.meeting.command(action, { number: how.number, onAsked: () => how.onStep('asked') });
      return { ...told, road: 'open', ms: performance.now() - began };
    }
    await car.leave();
    const meeting = await driver.tapAndStay(airs.bluetooth, vehicleId, action, { ...how, onSignals: heard(true), onClosed: gone });
    if (meeting.alive) near = { vehicleId, meeting };
    else make({ type: 'left' });
    return /** @type {import('../js/driver/index.js').Tapped} */ (meeting.first);
  }

  const car = {
    /** Which way there is for Bluetooth. @returns {Promise<void>} */
    async feel() {
      const { ways } = book.state();
      const bluetooth = await airs.bluetooth.state();
      if (bluetooth !== ways.bluetooth && !(ways.bluetooth === 'forbidden' && bluetooth === 'ok')) set({ ways: { ...book.state().ways, bluetooth } });
    },
    async leave() {
      const former = near;
      near = null;
      if (!former) return;
      await former.meeting.leave();
      make({ type: 'left' });
    },

    /**
     * One tap. What may have happened is asked again with its number, so that it happens once at most.
     * @param {string} action @param {'bluetooth' | 'relay' | null} [wanted] the way
     */
    async tap(action, wanted = null) {
      const { mine, doing: before, way: usual } = book.state();
      if (!mine || busy(before)) return;
      const same = before.phase === 'unsure' && before.action === action ? before.number : null;
      // What was out of reach a moment ago may be there now: it is tried, and what comes of it is true.
      const way = wanted ?? usual ?? (navigator.onLine && (await api.held()) ? 'relay' : null);
      doing({ type: 'tap', action, link: way ?? 'relay' });
      if (!way) {
        doing({ type: 'failed', code: navigator.onLine ? 'no_gateway' : 'offline', unsure: same !== null, number: same });
        return;
      }
      await store.alone(`tap/${mine.vehicleId}`, () => tapped(mine.keyId, mine.vehicleId, action, way, same));
      gateway.soon();
    },
    /** A page that was left in the middle says so when it comes back. */
    async wake() {
      const { mine } = book.state();
      const left = mine && await store.alone(`tap/${mine.vehicleId}`, () => store.get(`trying/${mine.vehicleId}`));
      if (left && Date.now() - left.at < TRYING_MS && !busy(book.state().doing)) doing({ type: 'left', action: left.action, number: left.number });
    },
    /** What was unsure is not asked about any more. */
    async forget() {
      const { mine, doing: { phase } } = book.state();
      if (phase !== 'unsure') return;
      doing({ type: 'forget' });
      if (mine) await store.drop(`trying/${mine.vehicleId}`);
    },

    /** Asks the car itself how it is, unless that was heard just now; a tap waits behind it. */
    async look(wanted = false) {
      const { mine, signals, doing: now, ways } = book.state();
      const { lock } = carOf(signals, Date.now());
      if (!mine || near || (lock.quality === 'live' && !wanted) || busy(now) || ways.relay !== 'ok' || mine.state !== 'active' || document.visibilityState !== 'visible') return;
      const stop = new AbortController();
      const timer = setTimeout(() => stop.abort(), LOOK_MS);
      try {
        await store.alone(`tap/${mine.vehicleId}`, async () => {
          const meeting = await driver.meet(airs.relay, mine.vehicleId, { signal: stop.signal, onSignals: heard(false) });
          await meeting.caughtUp().finally(() => meeting.leave());
        });
        await gateway.handIn();
        await gateway.remember();
      } catch (error) {
        if (!(error instanceof Fault)) throw error; // what it could not see stays as old as it is shown to be
      } finally {
        clearTimeout(timer);
      }
    },
  };

  /** @param {string} keyId @param {string} vehicleId @param {string} action @param {'bluetooth' | 'relay'} way @param {number | null} same */
  async function tapped(keyId, vehicleId, action, way, same) {
    const number = same ?? await keyring.nextNumber(keyId);
    /** @type {Promise<void> | null} */
    let noted = null;
    const onStep = (/** @type {'searching' | 'near' | 'verifying' | 'asked' | 'done'} */ step) => {
      if (step === 'verifying' || step === 'asked') noted ??= store.put(`trying/${vehicleId}`, { action, number, at: Date.now() });
      if (step !== 'done') doing({ type: 'step', step });
    };
    try {
      const told = await ask(vehicleId, action, way, { number, onStep });
      if (told.receipt) make({ type: 'receipts', receipts: [receiptOf(told.receipt)] });
      doing(told.ok ? { type: 'done', code: told.outcome, ms: told.ms, road: told.road } : { type: 'failed', code: told.outcome, unsure: false });
      if (told.ok) setTimeout(() => doing({ type: 'forget' }), SHOWN_MS);
      await noted;
      await store.drop(`trying/${vehicleId}`);
      await gateway.handIn();
      await gateway.remember();
    } catch (error) {
      const unsure = same !== null || (error instanceof Fault && error.mayHaveHappened);
      await noted;
      if (!unsure) await store.drop(`trying/${vehicleId}`);
      doing({ type: 'failed', code: codeOf(error), unsure, number });
      if (codeOf(error) === 'bluetooth_forbidden') set({ ways: { ...book.state().ways, bluetooth: 'forbidden' } });
      else if (codeOf(error) === 'bluetooth_off') await car.feel();
      if (!(error instanceof Fault)) console.error(error);
    }
  }
  return car;
}
