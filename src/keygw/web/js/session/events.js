// What a session tells whoever drives it.

/** @import {Bytes} from './bytes.js' */
/** @import {FastPair} from './fast.js' */
/** @import {FastResult, Hello, Ranging, Response, Result, Signal} from './messages.js' */
/** @import {SessionError} from './errors.js' */

/**
 * `result`: RESULT, each time it comes; `waiting` says whether only what may turn the verdict is served; `pair` is there
 * once, when the session is open in full: store it with the key. `fast`: `result` is null where FAST was refused, which
 * proves nothing: drop the pair, ask for HELLO, and take the full handshake with the same command number. `closed` comes
 * last, once: `error` is null where the key was refused by RESULT, or we have left.
 * @typedef {{kind: 'hello', hello: Hello}
 *   | {kind: 'result', result: Result, waiting: boolean, pair: FastPair | null}
 *   | {kind: 'fast', result: FastResult | null}
 *   | {kind: 'response', response: Response}
 *   | {kind: 'signals', signals: Signal[]}
 *   | {kind: 'receipts', receipts: Bytes[], more: boolean}
 *   | {kind: 'listAck', signed: Bytes}
 *   | {kind: 'list', signed: Bytes}
 *   | {kind: 'issuerKeyAck', signed: Bytes}
 *   | {kind: 'ranging', ranging: Ranging}
 *   | {kind: 'closed', error: SessionError | null}} SessionEvent
 */

/** Messages to send, in order, and what happened. @typedef {{send: Bytes[], events: SessionEvent[]}} Step */

export {};
