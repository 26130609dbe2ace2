// What the page does: the state, and what changes it. The screens call; the gateway and the car are below.

import { codeOf, Fault } from '../js/fault.js';
import { idempotencyKey } from '../js/api/index.js';
import { makeCar } from './car.js';
import { openDevice, OWNER } from './device.js';
import { makeGateway } from './gateway.js';
import { actionsOf } from './model/action.js';
import { makeBook } from './model/book.js';
import { faultOf, bodyOf } from './model/share.js';
import { START } from './model/state.js';
import * as own from './own.js';

/** @import {HeldKey} from '../js/store/keyring.js' */
/** @import {Device} from './device.js' */
/** @import {Row} from './model/keys.js' */
/** @import {Wish} from './model/share.js' */
/** @import {Choice} from './model/state.js' */
/** @typedef {ReturnType<typeof makePhone>} Phone */

const FEEL_MS = 2000;
const SIMULATOR = 'simulator';

/** @param {() => Promise<unknown>} act @returns {Promise<string | null>} the code of what refused it */
const tried = async (act) => {
  try {
    await act();
    return null;
  } catch (error) {
    if (!(error instanceof Fault)) console.error(error);
    return codeOf(error);
  }
};

export function makePhone() {
  const book = makeBook();
  const { make, set } = book;
  /** @type {own.Link | null} */
  let link = null;
  let deviceId = '';
  /** @type {Device} */
  let device;
  /** @type {ReturnType<typeof makeGateway>} */
  let gateway;
  /** @type {ReturnType<typeof makeCar>} */
  let car;

  const post = (/** @type {string} */ path, /** @type {unknown} */ body = undefined, wait = 0) => device.api.call('POST', path, { body, wait, headers: { 'Idempotency-Key': idempotencyKey() } });
  const route = () => {
    const [, place = 'key', id, secret] = location.hash.split('/');
    if (place === 'accept' && id && secret) {
      link = { id, secret };
      history.replaceState(null, '', '#/accept'); // the secret does not stay where it is seen
    }
    if (place === 'simulator') { // whoever opens the page from a simulation: no adapter of this computer hears that car
      history.replaceState(null, '', '#/key');
      sessionStorage.setItem(SIMULATOR, '1'); // of this tab alone: the next gateway at this address may have a real car
      set({ simulator: true, choice: 'relay', place: 'key' });
      return;
    }
    if (book.state().doing.phase === 'unsure') car.forget();
    make({ type: 'doing', event: { type: 'forget' } }); // what failed was said; elsewhere it is no news
    set({ place: place || 'key', told: null });
  };
  const attend = async () => {
    await gateway.attend();
    car.look();
  };
  const arrived = async (/** @type {HeldKey} */ key, /** @type {string} */ word) => {
    await gateway.reload();
    make({ type: 'choose', vehicleId: key.vehicle.id });
    history.replaceState(null, '', '#/key');
    set({ place: 'key', told: word, online: true, ways: { ...book.state().ways, relay: (await device.api.held()) ? 'ok' : 'no_token' } });
    await attend();
  };
  /** Another tab has changed what is kept. @param {string} name */
  const changed = async (name) => {
    if (!name.startsWith('key/')) return;
    const before = book.state().keys.length;
    await gateway.reload();
    if (book.state().keys.length !== before) await gateway.recall().then(attend);
  };

  const phone = {
    state: book.state,
    onState: book.onState,
    link: () => link,
    deviceId: () => deviceId,
    may: () => actionsOf(book.state().mine?.entitlements ?? []),
    go: (/** @type {string} */ place) => { location.hash = `#/${place}`; },
    back: () => { location.hash = book.state().mine ? '#/key' : '#/welcome'; },

    async start() {
      if (!globalThis.isSecureContext || !globalThis.indexedDB || !crypto.subtle) {
        set({ phase: 'broken', fault: 'browser' });
        return;
      }
      try {
        device = await openDevice();
        gateway = makeGateway(book, device);
        car = makeCar(book, device, gateway);
        deviceId = (await device.keyring.identity()).id;
        const { store, api } = device;
        const simulator = sessionStorage.getItem(SIMULATOR) !== null;
        set({ simulator, choice: simulator ? 'relay' : (await store.get('choice')) ?? 'auto', online: navigator.onLine, ways: { bluetooth: 'absent', relay: navigator.onLine && (await api.held()) ? 'ok' : 'offline' } });
        route();
        await car.feel();
        await gateway.reload();
        await gateway.recall();
        await car.wake();
      } catch (error) {
        console.error(error);
        set({ phase: 'broken', fault: codeOf(error) });
        return;
      }
      addEventListener('hashchange', route);
      addEventListener('online', () => gateway.soon());
      addEventListener('offline', () => set({ online: false, ways: { ...book.state().ways, relay: 'offline' } }));
      document.addEventListener('visibilitychange', () => { if (document.visibilityState === 'visible') gateway.sync().then(() => car.look()); });
      // No browser tells `availabilitychanged` today, so the adapter is asked after.
      setInterval(() => { if (document.visibilityState === 'visible') car.feel(); }, FEEL_MS);
      device.store.watch(changed);
      await attend();
    },

    async pair(/** @type {string} */ code, /** @type {string} */ name, /** @type {(step: string) => void} */ onStep, /** @type {boolean} */ again) {
      return tried(async () => {
        onStep('register');
        await device.api.register(OWNER);
        onStep('prove');
        await device.api.enter(code, name, { scope: OWNER });
        const key = await own.makeOwn(device, onStep);
        if (!again) await arrived(key, 'pair.done');
      });
    },
    async look(/** @type {own.Link} */ offered) {
      try {
        return { offer: await own.look(device, offered), refused: null };
      } catch (error) {
        return { offer: null, refused: codeOf(error) };
      }
    },
    async claim(/** @type {own.Link} */ offered, /** @type {string | null} */ code) {
      try {
        const key = await own.claim(device, offered, code);
        if (key) await arrived(key, 'accept.done');
        return { waiting: !key, refused: null };
      } catch (error) {
        return { waiting: false, refused: codeOf(error) };
      }
    },
    decline: (/** @type {own.Link} */ offered) => tried(() => own.decline(device, offered)),

    tap: (/** @type {string} */ action, /** @type {'bluetooth' | 'relay' | null} */ way = null) => car.tap(action, way),
    refresh: () => gateway.sync().then(() => car.look(true)),
    remedy: (/** @type {string} */ name) => {
      const { action } = book.state().doing;
      if (name === 'pair') phone.go('pair');
      else if ((name === 'bluetooth' || name === 'relay') && book.state().ways[name] !== 'ok') phone.go('way');
      else if (action) phone.tap(action, name === 'bluetooth' || name === 'relay' ? name : null);
    },
    choose: (/** @type {Choice} */ choice) => { set({ choice }); device.store.put('choice', choice); },
    chooseCar: async (/** @type {string} */ vehicleId) => {
      await car.leave();
      make({ type: 'choose', vehicleId });
      await gateway.recall();
      await car.wake();
      await attend();
    },

    async share(/** @type {Wish} */ wish) {
      const { shareFrom } = book.state();
      if (faultOf(wish, Date.now()) || !shareFrom) return { made: null, refused: 'no_key' };
      try {
        const made = (await post(`/v1/keys/${shareFrom}/invitations`, bodyOf(wish, Date.now()))).body;
        gateway.soon();
        return { made, refused: null };
      } catch (error) {
        return { made: null, refused: codeOf(error) };
      }
    },
    change: (/** @type {Row} */ row, /** @type {string} */ what) => tried(async () => {
      await post(`${row.key ? `/v1/keys/${row.key.id}` : `/v1/invitations/${row.id}`}:${what}`);
      await gateway.sync();
    }),
    lose: (/** @type {import('./model/keys.js').Key} */ key) => tried(async () => {
      await post(`/v1/keys/${key.id}:suspend`);
      await gateway.sync();
    }),
    found: () => tried(async () => { await own.found(device); await gateway.sync(); }),
    allowPairing: () => tried(async () => {
      const { body } = await post(`/v1/vehicles/${book.state().mine?.vehicleId}/commands`, { action: 'allow_pairing' }, 10);
      if (body.state !== 'confirmed') throw new Fault(body.reason ?? 'no_answer');
    }),
    remove: () => tried(async () => {
      const { mine } = book.state();
      const key = mine && await device.keyring.key(mine.vehicleId);
      await car.leave();
      if (key) {
        await own.giveBack(device, key);
        await device.store.drop(`seen/${key.vehicle.id}`);
      }
      set({ signals: {}, receipts: [], shared: [], invitations: [], doing: START.doing });
      await gateway.reload();
      phone.go(book.state().keys.length ? 'key' : 'welcome');
    }),
  };
  return phone;
}
