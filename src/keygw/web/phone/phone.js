// What the page does: the state, and what changes it. The screens call; the gate below speaks with the gateway and the car.

import { faultOf, bodyOf } from './model/share.js';
import { busy } from './model/action.js';
import { carOf, PATHS } from './model/car.js';
import { others } from './model/keys.js';
import { reduce, START } from './model/state.js';
import * as api from './gate/api.js';
import * as db from './gate/db.js';
import { listen } from './gate/events.js';
import { codeOf, Fault } from './gate/fault.js';
import * as keys from './gate/keys.js';
import { identity } from './gate/proofs.js';
import { look, tap } from './gate/tap.js';

/** @import {Row} from './model/keys.js' */
/** @import {Wish} from './model/share.js' */
/** @import {Change, Mine, State} from './model/state.js' */
/** @import {Kept} from './gate/tap.js' */
/** @typedef {ReturnType<typeof makePhone>} Phone */

const SETTLE_MS = 250;
const SHOWN_MS = 2600;

/** @param {Kept} key @returns {Mine} */
const mineOf = (key) => ({
  keyId: key.keyId, vehicleId: key.token.vehicle.id, name: key.token.vehicle.name, role: key.role, label: key.label, entitlements: key.entitlements, state: key.state,
  expires_at: key.expires_at, token_expires_at: key.token.expires_at, parentId: key.parentId, lost: key.lost,
});

export function makePhone() {
  /** @type {State} */
  let state = START;
  const listeners = new Set();
  /** @type {{id: string, secret: string} | null} */
  let link = null;
  let deviceId = '';
  let listening = new AbortController();
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let due;
  let looking = new AbortController();
  const told = new BroadcastChannel('keygw.phone');

  /** @param {Change} change */
  const make = (change) => {
    state = reduce(state, change);
    for (const listener of listeners) listener(state);
  };
  /** @param {Partial<State>} values */
  const set = (values) => make({ type: 'set', values });
  /** @param {() => Promise<unknown>} act @returns {Promise<string | null>} the code of what refused it */
  const tried = async (act) => {
    try {
      await act();
      return null;
    } catch (error) {
      return codeOf(error);
    }
  };
  const chosen = async () => (await keys.all()).find((each) => each.keyId === state.mine?.keyId) ?? null;
  const reload = async () => make({ type: 'mine', keys: (await keys.all()).map(mineOf) });
  /** A change that other tabs should see. */
  const changed = async () => {
    await reload();
    told.postMessage('changed');
  };
  const soon = () => {
    clearTimeout(due);
    due = setTimeout(sync, SETTLE_MS);
  };

  /** What was true when it was last seen, so that a page without a network shows something, with its age. */
  const remember = () => state.mine && db.put(`seen.${state.mine.vehicleId}`, {
    signals: state.signals, receipts: state.receipts, shared: state.shared, invitations: state.invitations, account: state.account, shareFrom: state.shareFrom, metAt: state.metAt, loaded: state.loaded,
  });
  const recall = async () => {
    const seen = state.mine && await db.get(`seen.${state.mine.vehicleId}`);
    if (seen) set(seen);
  };

  async function sync() {
    const key = await chosen();
    if (!key || !(await api.held())) return;
    const { id: vehicle } = key.token.vehicle;
    try {
      const [{ keys: found }, { devices }, { invitations }, { signals }, { receipts }, carlink] = await Promise.all([
        api.call('GET', `/v1/keys?vehicle_id=${vehicle}`), api.call('GET', '/v1/devices'), api.call('GET', `/v1/invitations?vehicle_id=${vehicle}`),
        api.call('GET', `/v1/vehicles/${vehicle}/signals?paths=${PATHS.join(',')}`), receiptsOf(vehicle), api.call('GET', `/v1/vehicles/${vehicle}/link`).catch(() => null),
      ]);
      const own = found.find((/** @type {any} */ each) => each.id === key.keyId);
      if (own) await keys.change(key.keyId, { state: own.state, expires_at: own.expires_at, lost: own.suspended_for.includes('lost'), label: own.label });
      if (own?.state === 'active') await keys.renew(key).catch(() => null);
      const shareable = keys.hosted(found, devices).filter((each) => each.vehicle_id === vehicle && each.entitlements.includes('key.share'));
      const ours = new Set(devices.map((/** @type {any} */ each) => each.id));
      const account = found.filter((/** @type {any} */ each) => (ours.has(each.device_id) && each.id !== key.keyId) || each.role === 'owner').map((/** @type {any} */ each) => each.id);
      if (state.mine?.keyId !== key.keyId) return; // another car was chosen meanwhile
      await reload();
      make({ type: 'signals', signals });
      make({ type: 'receipts', receipts });
      set({
        online: true, loaded: Date.now(), account, invitations, shareFrom: shareable[0]?.id ?? null, shared: others(found, new Set([...account, key.keyId])), metAt: metOf(signals, carlink),
        ways: { ...state.ways, relay: 'ok' },
      });
      await remember();
    } catch (error) {
      failed(error);
    }
  }

  /** @param {unknown} error of the gateway's */
  const failed = (error) => {
    const code = codeOf(error);
    if (['no_gateway', 'offline', 'gateway_timeout'].includes(code)) set({ online: false, ways: { ...state.ways, relay: 'offline' } });
    else if (!(error instanceof Fault)) throw error;
    else set({ ways: { ...state.ways, relay: error.status === 401 || code === 'invalid_grant' ? 'no_token' : state.ways.relay } });
  };

  /** @param {any[]} signals @param {any} carlink @returns {number | null} */
  const metOf = (signals, carlink) => {
    const heard = signals.map((each) => Date.parse(each.received_at ?? '')).filter(Number.isFinite);
    const up = carlink && carlink.state !== 'disconnected' ? [Date.now()] : [];
    const all = [...heard, ...up, ...(state.metAt === null ? [] : [state.metAt])];
    return all.length ? Math.max(...all) : null;
  };
  /** @param {string} vehicle */
  const receiptsOf = async (vehicle) => api.call('GET', `/v1/vehicles/${vehicle}/receipts?after=${Math.max(0, ...state.receipts.map((each) => each.sequence))}&limit=200`);

  /** Hear of what happens, from now on; and let the gateway meet the car, so that what is drawn is true. */
  const attend = async () => {
    listening.abort();
    listening = new AbortController();
    if (!(await api.held())) return;
    listen((type, data) => {
      if (type === 'keygw.signal.changed' && data.vehicle_id === state.mine?.vehicleId) {
        make({ type: 'signals', signals: [data] });
        set({ metAt: Date.now() });
      } else if (type !== 'keygw.command.updated') soon();
    }, (up) => { if (up !== state.online) { set({ online: up, ways: { ...state.ways, relay: up ? 'ok' : 'offline' } }); if (up) soon(); } }, listening.signal);
    await sync();
    meet();
  };
  /** Asks the car itself how it is, unless that was heard just now; a tap goes before it. */
  const meet = async (wanted = false) => {
    const key = await chosen();
    const lock = key && carOf(state.signals, Date.now()).lock;
    if (!key || !lock || (lock.quality === 'live' && !wanted) || busy(state.doing) || state.way !== 'relay' || key.state !== 'active' || document.visibilityState !== 'visible') return;
    looking.abort();
    looking = new AbortController();
    const { signal } = looking;
    const onSignals = (/** @type {any[]} */ signals) => { make({ type: 'signals', signals }); set({ metAt: Date.now() }); };
    try {
      const done = await db.alone(`tap.${key.keyId}`, () => look(key, { onSignals, signal }));
      await keys.change(key.keyId, { pair: done.pair, kept: done.kept });
      await handIn(key, done.ack);
      await remember();
    } catch (error) {
      if (!(error instanceof Fault)) throw error; // what it could not see stays as old as it is shown to be
    }
  };
  /** What the car has signed for the list that was brought. @param {Kept} key @param {string | null} ack */
  const handIn = async (key, ack) => ack && api.call('POST', `/v1/vehicles/${key.token.vehicle.id}/revocation-acks`, { ack }).catch(() => null);

  const route = () => {
    const [, place = 'key', id, secret] = location.hash.split('/');
    if (place === 'accept' && id && secret) {
      link = { id, secret };
      history.replaceState(null, '', '#/accept'); // the secret does not stay where it is seen
    }
    make({ type: 'doing', event: { type: 'forget' } }); // what failed was said; elsewhere it is no news
    set({ place: place || 'key', told: null });
  };
  const arrived = async (/** @type {Kept} */ key, /** @type {string} */ word) => {
    await changed();
    make({ type: 'choose', vehicleId: key.token.vehicle.id });
    history.replaceState(null, '', '#/key');
    set({ place: 'key', told: word, online: true, ways: { ...state.ways, relay: (await api.held()) ? 'ok' : 'no_token' } });
    await attend();
  };

  const phone = {
    state: () => state,
    onState: (/** @type {(state: State) => void} */ listener) => { listeners.add(listener); return () => listeners.delete(listener); },
    link: () => link,
    deviceId: () => deviceId,
    may: () => new Set((state.mine?.entitlements ?? []).map((right) => ({ 'door.unlock': 'unlock', 'door.lock': 'lock', 'trunk.open': 'open_trunk', 'light.flash': 'flash_lights' })[right] ?? '').filter(Boolean)),
    go: (/** @type {string} */ place) => { location.hash = `#/${place}`; },
    back: () => { location.hash = state.mine ? '#/key' : '#/welcome'; },

    async start() {
      if (!globalThis.isSecureContext || !globalThis.indexedDB || !crypto.subtle) {
        set({ phase: 'broken', fault: 'browser' });
        return;
      }
      addEventListener('hashchange', route);
      addEventListener('online', () => soon());
      addEventListener('offline', () => set({ online: false, ways: { ...state.ways, relay: 'offline' } }));
      document.addEventListener('visibilitychange', () => { if (document.visibilityState === 'visible') sync().then(() => meet()); });
      told.onmessage = () => reload().then(soon);
      try {
        route();
        deviceId = (await identity()).id;
        set({ choice: (await db.get('choice')) ?? 'auto', online: navigator.onLine, ways: { bluetooth: 'absent', relay: navigator.onLine && (await api.held()) ? 'ok' : 'offline' } });
        await reload();
        await recall();
      } catch (error) {
        console.error(error);
        set({ phase: 'broken', fault: codeOf(error) });
        return;
      }
      await attend();
    },

    async pair(/** @type {string} */ code, /** @type {string} */ name, /** @type {(step: string) => void} */ onStep, /** @type {boolean} */ again) {
      return tried(async () => {
        onStep('register');
        await api.register();
        onStep('prove');
        await api.enter(code, name);
        const key = await keys.makeOwn(onStep);
        if (!again) await arrived(key, 'pair.done');
      });
    },
    async look(/** @type {{id: string, secret: string}} */ offered) {
      try {
        return { offer: await keys.look(offered), refused: null };
      } catch (error) {
        return { offer: null, refused: codeOf(error) };
      }
    },
    async claim(/** @type {{id: string, secret: string}} */ offered, /** @type {string | null} */ code) {
      try {
        const key = await keys.claim(offered, code);
        if (key) await arrived(key, 'accept.done');
        return { waiting: !key, refused: null };
      } catch (error) {
        return { waiting: false, refused: codeOf(error) };
      }
    },
    decline: (/** @type {{id: string, secret: string}} */ offered) => tried(() => keys.decline(offered)),

    async tap(/** @type {string} */ action) {
      const key = await chosen();
      if (!key || busy(state.doing)) return;
      const doing = (/** @type {import('./model/action.js').Event} */ event) => make({ type: 'doing', event });
      // What was out of reach a moment ago may be there now: it is tried, and what comes of it is true.
      const way = state.way ?? (navigator.onLine && (await api.held()) ? 'relay' : null);
      doing({ type: 'tap', action, link: way ?? 'relay' });
      if (!way) {
        doing({ type: 'failed', code: navigator.onLine ? 'no_gateway' : 'offline', unsure: false });
        return;
      }
      try {
        const onSignals = (/** @type {any[]} */ signals) => { make({ type: 'signals', signals }); set({ metAt: Date.now() }); };
        const done = await db.alone(`tap.${key.keyId}`, () => tap(key, action, { onStep: (step) => doing({ type: 'step', step }), onSignals }));
        await keys.change(key.keyId, { pair: done.pair, kept: done.kept });
        if (done.receipt) make({ type: 'receipts', receipts: [done.receipt] });
        doing(done.ok ? { type: 'done', code: done.code, ms: done.ms, road: done.road } : { type: 'failed', code: done.code, unsure: false });
        if (done.ok) setTimeout(() => doing({ type: 'forget' }), SHOWN_MS);
        await handIn(key, done.ack);
        await remember();
      } catch (error) {
        await keys.change(key.keyId, { pair: null, kept: false }); // whatever failed: a full handshake with the token is next
        doing({ type: 'failed', code: codeOf(error), unsure: error instanceof Fault && error.unsure });
        if (!(error instanceof Fault)) console.error(error);
      }
      soon();
    },
    refresh: () => sync().then(() => meet(true)),
    remedy: (/** @type {string} */ name) => {
      const { action } = state.doing;
      if (name === 'pair') phone.go('pair');
      else if (name === 'bluetooth' || name === 'relay') phone.go('way');
      else if (action) phone.tap(action);
    },
    choose: (/** @type {import('./model/state.js').Choice} */ choice) => { set({ choice }); db.put('choice', choice); },
    chooseCar: (/** @type {string} */ vehicleId) => { make({ type: 'choose', vehicleId }); recall().then(attend); },

    async share(/** @type {Wish} */ wish) {
      if (faultOf(wish, Date.now()) || !state.shareFrom) return { made: null, refused: 'no_key' };
      try {
        const made = await api.call('POST', `/v1/keys/${state.shareFrom}/invitations`, bodyOf(wish, Date.now()), { 'Idempotency-Key': api.idempotency() });
        soon();
        return { made, refused: null };
      } catch (error) {
        return { made: null, refused: codeOf(error) };
      }
    },
    change: (/** @type {Row} */ row, /** @type {string} */ what) => tried(async () => {
      const where = row.key ? `/v1/keys/${row.key.id}` : `/v1/invitations/${row.id}`;
      await api.call('POST', `${where}:${what}`, undefined, { 'Idempotency-Key': api.idempotency() });
      await sync();
    }),
    lose: (/** @type {import('./model/keys.js').Key} */ key) => tried(async () => {
      await api.call('POST', `/v1/keys/${key.id}:suspend`, undefined, { 'Idempotency-Key': api.idempotency() });
      await sync();
    }),
    found: () => tried(async () => { await keys.found(); await sync(); }),
    allowPairing: () => tried(async () => {
      const made = await api.call('POST', `/v1/vehicles/${state.mine?.vehicleId}/commands`, { action: 'allow_pairing' }, { 'Idempotency-Key': api.idempotency(), Prefer: 'wait=10' });
      if (made.state !== 'confirmed') throw new Fault(made.reason ?? 'no_answer');
    }),
    remove: () => tried(async () => {
      const key = await chosen();
      if (key) await keys.giveBack(key);
      set({ signals: {}, receipts: [], shared: [], invitations: [], doing: START.doing });
      await changed();
      phone.go(state.keys.length ? 'key' : 'welcome');
    }),
  };
  return phone;
}
