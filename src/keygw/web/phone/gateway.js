// What the gateway says: read once, then heard as it happens; kept with its age for when there is no network.

import { codeOf, Fault } from '../js/fault.js';
import { mineOf, hosted, renew } from './own.js';
import { PATHS } from './model/car.js';
import { others } from './model/keys.js';

/** @import {Device} from './device.js' */
/** @import {Book} from './model/book.js' */

const SETTLE_MS = 250;
const UNREACHED = ['no_gateway', 'offline', 'gateway_timeout'];

/** @param {Book} book @param {Device} device */
export function makeGateway(book, { api, keyring, store }) {
  const { make, set } = book;
  let listening = new AbortController();
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let due;
  const get = async (/** @type {string} */ path) => (await api.call('GET', path)).body;

  const relay = (/** @type {string} */ how) => ({ ...book.state().ways, relay: how });
  /** @param {unknown} error of the gateway's */
  const failed = (error) => {
    const code = codeOf(error);
    if (!(error instanceof Fault)) throw error;
    if (UNREACHED.includes(code)) set({ online: false, ways: relay('offline') });
    else if (error.status === 401 || code === 'invalid_grant') set({ ways: relay('no_token') });
  };

  /** @param {any[]} signals @param {any} carlink @returns {number | null} */
  const metOf = (signals, carlink) => {
    const { metAt } = book.state();
    const heard = signals.map((each) => Date.parse(each.received_at ?? '')).filter(Number.isFinite);
    const up = carlink && carlink.state !== 'disconnected' ? [Date.now()] : [];
    const all = [...heard, ...up, ...(metAt === null ? [] : [metAt])];
    return all.length ? Math.max(...all) : null;
  };
  const receiptsOf = (/** @type {string} */ vehicle) => get(`/v1/vehicles/${vehicle}/receipts?after=${Math.max(0, ...book.state().receipts.map((each) => each.sequence))}&limit=200`);

  const gateway = {
    /** What is in the keyring now. */
    reload: async () => make({ type: 'mine', keys: (await keyring.keys()).map(mineOf) }),

    /** What was true when it was last seen, so that a page without a network shows something, with its age. */
    async remember() {
      const { mine, signals, receipts, shared, invitations, account, shareFrom, metAt, loaded } = book.state();
      if (mine) await store.put(`seen/${mine.vehicleId}`, { signals, receipts, shared, invitations, account, shareFrom, metAt, loaded });
    },
    async recall() {
      const { mine } = book.state();
      const seen = mine && await store.get(`seen/${mine.vehicleId}`);
      if (seen && book.state().mine?.keyId === mine.keyId) set(seen);
    },

    async sync() {
      const { mine } = book.state();
      const key = mine && await keyring.key(mine.vehicleId);
      if (!key || !(await api.held())) return;
      const { id: vehicle } = key.vehicle;
      try {
        const [{ keys: found }, { devices }, { invitations }, { signals }, { receipts }, carlink] = await Promise.all([
          get(`/v1/keys?vehicle_id=${vehicle}`), get('/v1/devices'), get(`/v1/invitations?vehicle_id=${vehicle}`),
          get(`/v1/vehicles/${vehicle}/signals?paths=${PATHS.join(',')}`), receiptsOf(vehicle), get(`/v1/vehicles/${vehicle}/link`).catch(() => null),
        ]);
        const own = found.find((/** @type {any} */ each) => each.id === key.keyId);
        if (own) await keyring.annotate(vehicle, { state: own.state, expires_at: own.expires_at, lost: own.suspended_for.includes('lost'), label: own.label });
        if (own?.state === 'active') await renew({ api, keyring }, key).catch(() => null);
        const shareable = hosted(found, devices).filter((each) => each.vehicle_id === vehicle && each.entitlements.includes('key.share'));
        const ours = new Set(devices.map((/** @type {any} */ each) => each.id));
        const account = found.filter((/** @type {any} */ each) => (ours.has(each.device_id) && each.id !== key.keyId) || each.role === 'owner').map((/** @type {any} */ each) => each.id);
        if (book.state().mine?.keyId !== key.keyId) return; // another car was chosen meanwhile
        await gateway.reload();
        make({ type: 'signals', signals });
        make({ type: 'receipts', receipts });
        set({
          online: true, loaded: Date.now(), account, invitations, shareFrom: shareable[0]?.id ?? null, shared: others(found, new Set([...account, key.keyId])), metAt: metOf(signals, carlink),
          ways: relay('ok'),
        });
        await gateway.remember();
        await gateway.handIn();
      } catch (error) {
        failed(error);
      }
    },
    soon() {
      clearTimeout(due);
      due = setTimeout(gateway.sync, SETTLE_MS);
    },
    /** What cars have signed for the lists that were brought. */
    async handIn() {
      if (await api.held()) await api.giveAcks(keyring).catch((error) => { if (!(error instanceof Fault)) throw error; });
    },

    /** Hear of what happens, from now on. */
    async attend() {
      listening.abort();
      listening = new AbortController();
      if (!(await api.held())) return;
      const onState = (/** @type {boolean} */ up) => {
        if (up === book.state().online) return;
        set({ online: up, ways: relay(up ? 'ok' : 'offline') });
        if (up) gateway.soon();
      };
      api.events({ signal: listening.signal, onState }, ({ type, data }) => {
        if (type === 'keygw.signal.changed' && data.vehicle_id === book.state().mine?.vehicleId) {
          make({ type: 'signals', signals: [data] });
          set({ metAt: Date.now() });
        } else if (type !== 'keygw.command.updated') gateway.soon();
      }).catch(failed);
      await gateway.sync();
    },
  };
  return gateway;
}
