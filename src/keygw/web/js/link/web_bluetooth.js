// The few types of Web Bluetooth that are used here; TypeScript's own library does not have them.

/** @typedef {EventTarget & {value?: DataView, readValue: () => Promise<DataView>, startNotifications: () => Promise<unknown>,
 *   writeValueWithResponse: (value: BufferSource) => Promise<void>, writeValueWithoutResponse: (value: BufferSource) => Promise<void>}} Characteristic */
/** @typedef {{getCharacteristic: (uuid: string) => Promise<Characteristic>}} Service */
/** @typedef {{connect: () => Promise<Server>, disconnect: () => void, connected: boolean, getPrimaryService: (uuid: string) => Promise<Service>}} Server */
/** @typedef {EventTarget & {id: string, gatt: Server}} BluetoothDevice */
/** @typedef {{getAvailability: () => Promise<boolean>, requestDevice: (wish: {filters: {services: string[]}[]}) => Promise<BluetoothDevice>}} Bluetooth */

export {};
