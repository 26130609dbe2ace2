// The car's own link: GATT of protocols/key_session, *Bluetooth*, over Web Bluetooth.

import { Fault, heed } from '../fault.js';
import { LINK } from '../session/codes.js';
import { readInfo } from '../session/messages.js';
import { BluetoothLink, bytesOf } from './bluetooth_link.js';
import { isOf } from './sighting.js';

/** @import {Bytes} from '../session/bytes.js' */
/** @import {HeldKey} from '../store/keyring.js' */
/** @import {BluetoothDevice, Bluetooth} from './web_bluetooth.js' */
/** @import {Link, Opening} from './port.js' */

export const SERVICE = '6b657967-7701-4b47-8f2c-5d1e0a93c4b2';
const RX = '6b657967-7702-4b47-8f2c-5d1e0a93c4b2';
const TX = '6b657967-7703-4b47-8f2c-5d1e0a93c4b2';
const INFO = '6b657967-7704-4b47-8f2c-5d1e0a93c4b2';
const CONNECT_MS = 10_000;
const GATT_MS = 5_000;

/** @typedef {'ok' | 'absent' | 'off'} BluetoothState `absent`: this browser has none, or not here; `off`: no adapter, or it is off */

export class BluetoothAir {
  kind = 'bluetooth';
  #bluetooth;

  /** @param {Bluetooth | undefined} [bluetooth] */
  constructor(bluetooth = /** @type {any} */ (globalThis.navigator)?.bluetooth) {
    this.#bluetooth = bluetooth;
  }

  /** @returns {Promise<BluetoothState>} */
  async state() {
    if (!this.#bluetooth) return 'absent';
    return (await this.#bluetooth.getAvailability()) ? 'ok' : 'off';
  }

  /**
   * Call it in a click: the browser asks which device is meant, each time, for a car has a new address after each connection
   * (*Advertisement*). Whoever wants to say more than one thing stays: `Driver.meet`. @param {HeldKey['vehicle']} vehicle @param {Opening} [opening] @returns {Promise<Link>}
   * @throws {Fault} bluetooth_absent, bluetooth_off, bluetooth_forbidden, chooser_cancelled, out_of_range, link_timeout, link_lost, wrong_vehicle, cancelled
   */
  async open(vehicle, { signal = null } = {}) {
    const bluetooth = this.#bluetooth;
    if (!bluetooth) throw new Fault('bluetooth_absent', { detail: 'this browser has no Web Bluetooth; the relay is the other way' });
    heed(signal);
    const device = await choose(bluetooth);
    heed(signal);
    try {
      return await connect(device, vehicle.advertisingKey, signal);
    } catch (error) {
      device.gatt.disconnect();
      throw signal?.aborted ? new Fault('cancelled') : faultOfGatt(error);
    }
  }
}

/** @param {Bluetooth} bluetooth @returns {Promise<BluetoothDevice>} */
async function choose(bluetooth) {
  try {
    return await bluetooth.requestDevice({ filters: [{ services: [SERVICE] }] });
  } catch (error) {
    const name = error instanceof Error ? error.name : '';
    if (name === 'NotFoundError') {
      const on = await bluetooth.getAvailability();
      throw new Fault(on ? 'chooser_cancelled' : 'bluetooth_off', { detail: on ? 'no device was chosen' : 'Bluetooth is off, or there is none', retryable: true });
    }
    if (name === 'SecurityError' || name === 'NotAllowedError') throw new Fault('bluetooth_forbidden', { detail: 'the browser does not let this page use Bluetooth now' });
    throw faultOfGatt(error);
  }
}

/** @param {BluetoothDevice} device @param {Bytes} advertisingKey @param {AbortSignal | null} signal @returns {Promise<Link>} */
async function connect(device, advertisingKey, signal) {
  const server = await within(CONNECT_MS, device.gatt.connect(), signal);
  const service = await within(GATT_MS, server.getPrimaryService(SERVICE), signal);
  /** @param {string} uuid */
  const characteristic = (uuid) => within(GATT_MS, service.getCharacteristic(uuid), signal);
  const [info, rx, tx] = [await characteristic(INFO), await characteristic(RX), await characteristic(TX)];
  const told = bytesOf(await within(GATT_MS, info.readValue(), signal));
  if (!(await isOf(readInfo(told).rotatingId, advertisingKey))) throw new Fault('wrong_vehicle', { detail: 'that is another car', retryable: true });
  const link = new BluetoothLink(device, rx, tx, told, LINK.DIRECT);
  try {
    await within(GATT_MS, tx.startNotifications(), signal);
  } catch (error) {
    await link.close();
    throw error;
  }
  return link;
}

/** @template T @param {number} ms @param {Promise<T>} work @param {AbortSignal | null} signal @returns {Promise<T>} */
function within(ms, work, signal) {
  return new Promise((resolve, reject) => {
    const cancel = () => reject(new Fault('cancelled'));
    const timer = setTimeout(() => reject(new Fault('link_timeout', { detail: 'the car does not answer', retryable: true })), ms);
    signal?.addEventListener('abort', cancel, { once: true });
    work.then(resolve, reject).finally(() => {
      clearTimeout(timer);
      signal?.removeEventListener('abort', cancel);
    });
  });
}

/** What the browser says, in our words. @param {unknown} error @returns {unknown & Fault} */
function faultOfGatt(error) {
  if (error instanceof Fault) return error;
  if (!(error instanceof Error)) throw error;
  if (error.name === 'NetworkError') return new Fault('out_of_range', { detail: 'the car cannot be reached; go nearer', retryable: true });
  if (error.name === 'NotFoundError') return new Fault('wrong_vehicle', { detail: 'that device is no car', retryable: true });
  if (error.name === 'SecurityError') return new Fault('bluetooth_forbidden', { detail: 'the browser does not let this page use Bluetooth now' });
  if (error.name === 'SessionError') return new Fault('breach', { detail: error.message });
  return new Fault('link_lost', { detail: error.name, retryable: true });
}
