// This browser as a phone: what it keeps, how it asks the gateway, how it reaches a car. All of it is of `web/js`.

import { Api } from '../js/api/index.js';
import { Driver } from '../js/driver/index.js';
import { BluetoothAir } from '../js/link/bluetooth.js';
import { RelayAir } from '../js/link/relay.js';
import { openStore } from '../js/store/index.js';
import { Keyring } from '../js/store/keyring.js';

/** @typedef {Awaited<ReturnType<typeof openDevice>>} Device */

/** What an owner's phone asks for, and one that a link has let in. */
export const OWNER = 'vehicle.read status.security.read status.energy.read command.lock command.unlock command.trunk command.lights command.start key.read key.share key.manage';
export const GUEST = 'vehicle.read status.security.read status.energy.read command.lock command.unlock command.trunk command.lights command.start key.read';

export async function openDevice() {
  const store = await openStore();
  const keyring = new Keyring(store);
  const kind = /iPhone|iPad|Android/.exec(navigator.userAgent)?.[0] ?? 'Browser';
  const api = new Api({ store, name: `keygw phone (${kind})` });
  return { store, keyring, api, driver: new Driver({ keyring, api }), airs: { relay: new RelayAir(api), bluetooth: new BluetoothAir() } };
}
