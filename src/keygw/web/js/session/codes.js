// The numbers of protocols/key_session: message types, outcomes, actions. Unknown values of the open registries
// (outcome, action, signal, zone) are no breach and stay numbers.

/** Message types: the first byte of a message. */
export const TYPE = Object.freeze({
  HELLO: 0x01, HELLO_REQ: 0x02, MESSAGE_1: 0x10, MESSAGE_2: 0x11, MESSAGE_3: 0x12, RESULT: 0x13, FAST: 0x20,
  FAST_RESULT: 0x21, CMD: 0x30, RES: 0x31, EVENT: 0x32, RECEIPT_GET: 0x33, RECEIPT: 0x34, RECEIPT_ACK: 0x35,
  RL_PUSH: 0x40, RL_ACK: 0x41, TIME_PROOF: 0x42, CRED_PUT: 0x43, RANGE: 0x44, ISSUER_KEY: 0x45, RL_GET: 0x46,
  RL_GIVE: 0x47, ISSUER_KEY_ACK: 0x48, ERROR: 0x7f,
});

export const OUTCOME = Object.freeze({
  DONE: 0, ALREADY_IN_STATE: 1, KEY_REVOKED: 16, KEY_SUSPENDED: 17, KEY_EXPIRED: 18, KEY_NOT_YET_VALID: 19,
  NOT_ENTITLED: 20, NOT_ENROLLED: 21, PARENT_ENDED: 22, TIME_PROOF_REQUIRED: 23, CHAIN_REQUIRED: 24,
  LIST_REQUIRED: 25, CHAIN_REFUSED: 26, DOOR_OPEN: 32, VEHICLE_ASLEEP: 33, IN_MOTION: 34, BUSY: 35,
  UNKNOWN_ACTION: 36, COMMAND_EXPIRED: 37, PROXIMITY_REQUIRED: 38, FAULT: 39, FULL_HANDSHAKE_REQUIRED: 40,
  NUMBER_REUSED: 41, LIST_STALE: 42,
});

export const ACTION = Object.freeze({
  UNLOCK: 1, LOCK: 2, OPEN_TRUNK: 3, FLASH_LIGHTS: 4, START_ENGINE: 5, ALLOW_PAIRING: 6, PASSIVE_UNLOCK: 7,
  REMOVE_KEY: 128,
});

/** What the fast path carries out; every other action gets FULL_HANDSHAKE_REQUIRED. */
export const FAST_ACTIONS = Object.freeze([ACTION.UNLOCK, ACTION.LOCK, ACTION.OPEN_TRUNK]);

export const LINK = Object.freeze({ DIRECT: 0, RELAYED: 1, HOSTED: 2 });
export const ERROR = Object.freeze({ REFUSED: 1, SESSION_OVER: 2 });

const REFUSALS = new Set([16, 18, 19, 21, 22, 26]);
const WAITS = new Set([17, 23, 24, 25]);

/** The key itself is refused: the session is over. @param {number} outcome */
export const isKeyRefusal = (outcome) => REFUSALS.has(outcome);

/** The session stays, for what may turn the verdict (*The waiting room*). @param {number} outcome */
export const isWaiting = (outcome) => WAITS.has(outcome);

/** 0 and 1 are success; whatever is not known is none. @param {number} outcome */
export const isSuccess = (outcome) => outcome === 0 || outcome === 1;

/** The name of an outcome, or its number where it is not known. @param {number} outcome */
export const outcomeName = (outcome) =>
  Object.entries(OUTCOME).find(([, value]) => value === outcome)?.[0] ?? `outcome ${outcome}`;
