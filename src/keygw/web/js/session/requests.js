// What a device asks for in an open session, each with its form.

import { TYPE } from './codes.js';
import * as forms from './messages.js';

/** @import {Awaited} from './awaited.js' */
/** @import {Bytes} from './bytes.js' */
/** @import {Step} from './events.js' */
/** @import {Command} from './messages.js' */

/** The sealed requests; `Session` sends them. @abstract */
export class Requests {
  /**
   * @param {number} _type @param {() => Bytes} _body @param {number} _now @param {(awaited: Awaited) => void} [_note] what is awaited besides
   * @returns {Promise<Step>}
   */
  request(_type, _body, _now, _note) {
    return Promise.reject(new Error('a session sends'));
  }

  /** A command in the open session. @param {Command} command @param {number} now */
  command(command, now) {
    const body = () => forms.writeCommand(command);
    return this.request(TYPE.CMD, body, now, (awaited) => awaited.askedCommand(command.number));
  }

  /** @param {number} sequence send the receipts after this one @param {number} now */
  receiptsAfter(sequence, now) {
    return this.request(TYPE.RECEIPT_GET, () => forms.writeSequence(sequence), now);
  }

  /** @param {number} sequence all up to this one are stored safely @param {number} now */
  receiptsStored(sequence, now) {
    return this.request(TYPE.RECEIPT_ACK, () => forms.writeSequence(sequence), now);
  }

  /** @param {Bytes} signed a `dkrl` @param {number} now */
  pushList(signed, now) {
    return this.request(TYPE.RL_PUSH, () => signed, now);
  }

  /** @param {number} now */
  getList(now) {
    return this.request(TYPE.RL_GET, () => new Uint8Array(0), now);
  }

  /** @param {Bytes} signed a `dktp` for the nonce of the last RESULT @param {number} now */
  proveTime(signed, now) {
    return this.request(TYPE.TIME_PROOF, () => signed, now);
  }

  /** @param {Bytes[]} statements `dkik`, the oldest first @param {number} now */
  bringIssuerKeys(statements, now) {
    return this.request(TYPE.ISSUER_KEY, () => forms.writeIssuerKeys(statements), now);
  }
}
