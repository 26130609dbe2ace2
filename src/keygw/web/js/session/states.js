// The table of states of protocols/key_session, without owner pairing. Sending and receiving are the same step: whatever
// is not here is a breach.

import { TYPE } from './codes.js';

/** @typedef {'SILENT' | 'GREETED' | 'ASKED' | 'PROVEN' | 'SHOWN' | 'HURRIED' | 'QUICK' | 'OPEN' | 'CLOSED'} State */
/** `up`: device to vehicle. @typedef {'up' | 'down'} Direction */

const { HELLO, HELLO_REQ, MESSAGE_1, MESSAGE_2, MESSAGE_3, RESULT, FAST, FAST_RESULT } = TYPE;

/** @param {State} state @param {number[]} types @returns {[number, State][]} */
const staying = (state, types) => types.map((type) => [type, state]);
const ASKING = [TYPE.CMD, TYPE.RECEIPT_GET, TYPE.RECEIPT_ACK, TYPE.RL_PUSH, TYPE.RL_GET, TYPE.ISSUER_KEY];
const ANSWERING = [TYPE.RES, TYPE.EVENT, TYPE.RECEIPT, TYPE.RL_ACK, TYPE.RL_GIVE, TYPE.ISSUER_KEY_ACK];

/** @type {Partial<Record<State, Partial<Record<Direction, Map<number, State>>>>>} */
const TABLE = {
  SILENT: { down: new Map([[HELLO, 'GREETED']]) },
  GREETED: { up: new Map([[HELLO_REQ, 'SILENT'], [MESSAGE_1, 'ASKED'], [FAST, 'HURRIED']]) },
  HURRIED: { down: new Map([[FAST_RESULT, 'QUICK']]) },
  ASKED: { down: new Map([[MESSAGE_2, 'PROVEN']]) },
  PROVEN: { up: new Map([[MESSAGE_3, 'SHOWN']]) },
  SHOWN: { down: new Map([[RESULT, 'OPEN']]) },
  QUICK: { down: new Map(staying('QUICK', ANSWERING)), up: new Map([...staying('QUICK', ASKING), [HELLO_REQ, 'SILENT']]) },
  OPEN: {
    down: new Map(staying('OPEN', [...ANSWERING, TYPE.RANGE, RESULT])),
    up: new Map(staying('OPEN', [...ASKING, TYPE.TIME_PROOF, TYPE.CRED_PUT, TYPE.RANGE])),
  },
};

/** The state behind a message, or null where it has no place. @param {State} state @param {Direction} direction @param {number} type */
export const step = (state, direction, type) => TABLE[state]?.[direction]?.get(type) ?? null;
