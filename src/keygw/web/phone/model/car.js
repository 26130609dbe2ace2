// The car as it is drawn: what its signals say, how good each is, and never a guess.

/**
 * As `GET /v1/vehicles/{id}/signals` shows it, or as the car told it over a session of our own.
 * @typedef {{path: string, value?: boolean | number | string, unit?: string | null, ts?: string, received_at?: string,
 *   quality?: 'live' | 'stale' | 'unknown', max_age?: number, error?: string, near?: boolean}} Signal `near`: of a session that goes on
 * @typedef {'live' | 'stale' | 'unknown'} Quality
 * @typedef {{value: boolean | null, quality: Quality, at: number | null}} Fact `at`: milliseconds, by the car's own word
 */

const LOCK = 'Vehicle.Private.KeyGW.CentralLock.IsLocked';
const DOOR = (/** @type {string} */ place) => `Vehicle.Cabin.Door.${place}.IsOpen`;
const WINDOW = (/** @type {string} */ place) => `Vehicle.Cabin.Door.${place}.Window.IsOpen`;

/** Part of the drawing -> the signal that moves it. @type {Record<string, string>} */
export const PARTS = Object.freeze({
  lock: LOCK,
  'door-fl': DOOR('Row1.DriverSide'),
  'door-fr': DOOR('Row1.PassengerSide'),
  'door-rl': DOOR('Row2.DriverSide'),
  'door-rr': DOOR('Row2.PassengerSide'),
  'window-fl': WINDOW('Row1.DriverSide'),
  'window-fr': WINDOW('Row1.PassengerSide'),
  'window-rl': WINDOW('Row2.DriverSide'),
  'window-rr': WINDOW('Row2.PassengerSide'),
  trunk: 'Vehicle.Body.Trunk.Rear.IsOpen',
  bonnet: 'Vehicle.Body.Hood.IsOpen',
  hazard: 'Vehicle.Body.Lights.Hazard.IsSignaling',
});

export const CHARGE = 'Vehicle.Powertrain.TractionBattery.StateOfCharge.Current';
export const PATHS = Object.freeze([...Object.values(PARTS), CHARGE]);
export const DOORS = Object.freeze(['door-fl', 'door-fr', 'door-rl', 'door-rr']);
export const WINDOWS = Object.freeze(['window-fl', 'window-fr', 'window-rl', 'window-rr']);

/** Signal number of a session -> path, of what is drawn. @type {Record<number, string>} */
const NUMBERED = {
  1: LOCK, 2: DOOR('Row1.DriverSide'), 3: DOOR('Row1.PassengerSide'), 4: PARTS.trunk, 7: CHARGE, 8: PARTS.hazard, 16: DOOR('Row2.DriverSide'), 17: DOOR('Row2.PassengerSide'),
  22: WINDOW('Row1.DriverSide'), 23: WINDOW('Row1.PassengerSide'), 24: WINDOW('Row2.DriverSide'), 25: WINDOW('Row2.PassengerSide'), 33: PARTS.bonnet,
};
/** Seconds. Of a link that is let go at once; of one that stays for as long as a session may: a change would be told. */
const SOON = 20;
const STAYS = 600;

/**
 * What the car has told over a session of our own.
 * @param {{signal: number, value: boolean | number | string, at: number}[]} heard `at`: Unix seconds, 0 where the car does not know
 * @param {number} now milliseconds @param {boolean} stays whether the session goes on @returns {Signal[]}
 */
export const signalsOf = (heard, now, stays) => heard.flatMap(({ signal, value, at }) => {
  const path = NUMBERED[signal];
  const told = { path, value, ts: new Date(at ? at * 1000 : now).toISOString(), received_at: new Date(now).toISOString() };
  return path ? [{ ...told, quality: /** @type {const} */ ('live'), max_age: stays ? STAYS : SOON, near: stays }] : [];
});

/** @type {Fact} */
const UNKNOWN = Object.freeze({ value: null, quality: 'unknown', at: null });

/**
 * @param {Signal | undefined} signal
 * @param {number} now milliseconds
 * @param {boolean} [heard] whether there is anybody from whom a change would be heard; else nothing is live
 * @returns {Fact}
 */
export function fact(signal, now, heard = true) {
  if (!signal || signal.quality === 'unknown' || typeof signal.value !== 'boolean') return UNKNOWN;
  const at = Date.parse(signal.ts ?? signal.received_at ?? '');
  const came = Date.parse(signal.received_at ?? signal.ts ?? '');
  const old = !heard || (Number.isFinite(came) && now - came > (signal.max_age ?? 60) * 1000);
  return { value: signal.value, quality: old ? 'stale' : signal.quality ?? 'stale', at: Number.isFinite(at) ? at : null };
}

/**
 * Of several parts: `open` names those that are known to be open; `all` says whether every one of them is known. A view
 * with a hole in it never says "closed".
 * @typedef {{open: string[], known: number, all: boolean, quality: Quality, at: number | null}} Group
 * @typedef {{lock: Fact, parts: Record<string, Fact>, doors: Group, windows: Group, trunk: Fact, hazard: Fact,
 *   charge: {value: number | null, quality: Quality, at: number | null}, quality: Quality, at: number | null}} Car
 */

/**
 * @param {Record<string, Signal>} signals by path
 * @param {number} now milliseconds
 * @param {boolean} [heard]
 * @returns {Car}
 */
export function carOf(signals, now, heard = true) {
  /** @type {Record<string, Fact>} */
  const parts = {};
  for (const [part, path] of Object.entries(PARTS)) parts[part] = fact(signals[path], now, heard);
  const charge = signals[CHARGE];
  const measured = charge && charge.quality !== 'unknown' && typeof charge.value === 'number';
  const doors = group(DOORS, parts);
  const shown = [parts.lock, doors, parts.trunk].filter((each) => each.quality !== 'unknown');
  return {
    lock: parts.lock,
    parts,
    doors,
    windows: group(WINDOWS, parts),
    trunk: parts.trunk,
    hazard: parts.hazard,
    charge: measured
      ? { value: /** @type {number} */ (charge.value), quality: fact({ ...charge, value: true }, now, heard).quality, at: Date.parse(charge.ts ?? '') || null }
      : { value: null, quality: 'unknown', at: null },
    quality: worst(shown.map((each) => each.quality)),
    at: oldest(shown.map((each) => each.at)),
  };
}

/**
 * @param {readonly string[]} names
 * @param {Record<string, Fact>} parts
 * @returns {Group}
 */
function group(names, parts) {
  const known = names.filter((name) => parts[name].value !== null);
  return {
    open: known.filter((name) => parts[name].value),
    known: known.length,
    all: known.length === names.length,
    quality: worst(known.map((name) => parts[name].quality)),
    at: oldest(known.map((name) => parts[name].at)),
  };
}

/** @param {Quality[]} all @returns {Quality} nothing at all is unknown */
function worst(all) {
  if (!all.length) return 'unknown';
  return all.includes('stale') ? 'stale' : 'live';
}

/** @param {(number | null)[]} all @returns {number | null} */
function oldest(all) {
  const known = all.filter((each) => each !== null);
  return known.length ? Math.min(...known) : null;
}
