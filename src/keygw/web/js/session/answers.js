// What an open session hears: each answer read by its form, and held to what was asked for.

import { TYPE } from './codes.js';
import * as forms from './messages.js';

/** @import {Awaited} from './awaited.js' */
/** @import {Bytes} from './bytes.js' */
/** @import {SessionEvent} from './events.js' */

/** @param {number} type @param {Bytes} plain @param {Awaited} awaited @returns {SessionEvent} @throws {import('./errors.js').SessionError} breach */
export function answerOf(type, plain, awaited) {
  switch (type) {
    case TYPE.RES: {
      const response = forms.readResponse(plain);
      awaited.answeredCommand(response.number);
      return { kind: 'response', response };
    }
    case TYPE.EVENT:
      return { kind: 'signals', signals: forms.readEvent(plain) };
    case TYPE.RANGE: {
      const ranging = forms.readRanging(plain);
      awaited.answeredRange(ranging);
      return { kind: 'ranging', ranging };
    }
    case TYPE.RECEIPT:
      awaited.answered(type);
      return { kind: 'receipts', ...forms.readReceipts(plain) };
    default:
      awaited.answered(type);
      if (type === TYPE.RL_ACK) return { kind: 'listAck', signed: plain };
      return type === TYPE.RL_GIVE ? { kind: 'list', signed: plain } : { kind: 'issuerKeyAck', signed: plain };
  }
}
