// One connection over Web Bluetooth: frames are writes and notifications.

import { Fault } from '../fault.js';
import { Mailbox } from './port.js';

/** @import {Bytes} from '../session/bytes.js' */
/** @import {BluetoothDevice, Characteristic} from './web_bluetooth.js' */
/** @import {Ear, Link} from './port.js' */

const WRITE_MS = 5_000;
/** What any link grants. Web Bluetooth tells no MTU, and a write that is too long for it fails. */
const LEAST = 20;

/** A copy, for the browser writes the next value into the same place. @param {DataView} view @returns {Bytes} */
export const bytesOf = (view) => Uint8Array.from({ length: view.byteLength }, (_, i) => view.getUint8(i));

/** @implements {Link} */
export class BluetoothLink {
  kind = 'bluetooth';
  /** The car has cut its frames to what the link grants: as much as the longest that came fits the other way too. */
  maxFrame = LEAST;
  #device;
  #rx;
  #tx;
  #mail = new Mailbox();
  #heard;
  #gone;

  /** @param {BluetoothDevice} device @param {Characteristic} rx @param {Characteristic} tx @param {Bytes} info @param {number} link */
  constructor(device, rx, tx, info, link) {
    this.#device = device;
    this.#rx = rx;
    this.#tx = tx;
    this.info = info;
    this.link = link;
    this.peer = device.id;
    this.#heard = () => this.#frame(/** @type {DataView} */ (tx.value));
    this.#gone = () => this.#end(new Fault('link_lost', { detail: 'the car is out of reach, or has hung up', retryable: true }));
    tx.addEventListener('characteristicvaluechanged', this.#heard);
    device.addEventListener('gattserverdisconnected', this.#gone);
  }

  /** The last frame of a message with response, the others without. @param {Bytes} frame @param {boolean} last */
  async send(frame, last) {
    if (this.#mail.over) throw this.#mail.over;
    /** @type {ReturnType<typeof setTimeout> | undefined} */
    let timer;
    const late = new Promise((_, reject) => { timer = setTimeout(() => reject(new Error('late')), WRITE_MS); });
    try {
      await Promise.race([last ? this.#rx.writeValueWithResponse(frame) : this.#rx.writeValueWithoutResponse(frame), late]);
    } catch {
      this.#end(new Fault('link_lost', { detail: 'the car takes no more', retryable: true }));
      throw this.#mail.over;
    } finally {
      clearTimeout(timer);
    }
  }

  /** @param {Ear} ear */
  listen(ear) {
    this.#mail.listen(ear);
  }

  async close() {
    this.#mail.end(new Fault('link_lost', { detail: 'closed here' }), false);
    this.#leave();
  }

  /** @param {DataView} value */
  #frame(value) {
    const frame = bytesOf(value);
    this.maxFrame = Math.max(this.maxFrame, frame.length);
    if (!this.#mail.frame(frame)) this.#end(new Fault('link_lost', { detail: 'more frames than anybody takes', retryable: true }));
  }

  /** @param {Fault} fault */
  #end(fault) {
    this.#mail.end(fault);
    this.#leave();
  }

  #leave() {
    this.#tx.removeEventListener('characteristicvaluechanged', this.#heard);
    this.#device.removeEventListener('gattserverdisconnected', this.#gone);
    this.#device.gatt.disconnect();
  }
}
