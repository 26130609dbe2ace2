// One tap: reach the car, prove the key, have it done, read the receipt, leave. The number is the same on every road, so that
// falling back never does it twice.

import { ACTION, FAST_ACTIONS, isSuccess, OUTCOME, outcomeName } from '../../js/session/codes.js';
import { toBase64url } from '../../js/session/bytes.js';
import { decode, encode } from '../../js/session/cbor.js';
import { idRaw, idText } from '../../js/session/ids.js';
import { decompress, verify } from '../../js/session/p256.js';
import * as api from './api.js';
import { codeOf, Fault } from './fault.js';
import { device, fromBase64url } from './proofs.js';
import { lend } from './relay.js';
import { Talk } from './talk.js';

/**
 * What this phone keeps of a key: the token's answer of the gateway, and what a handshake has left.
 * @typedef {{keyId: string, index: number, role: string, label: string, entitlements: string[], state: string, expires_at: string, parentId: string | null,
 *   token: any, pair: {kFast: Uint8Array<ArrayBuffer>, kId: Uint8Array<ArrayBuffer>} | null, kept: boolean, link: {id: string, secret: string} | null, lost: boolean}} Kept
 * @typedef {{code: string, ok: boolean, road: 'fast' | 'full', ms: number, receipt: import('../model/state.js').Receipt | null, pair: Kept['pair'], kept: boolean,
 *   ack: string | null}} Tapped
 */

const OPEN_MS = 8000;
/** A look is given up sooner: a tap may wait behind it. */
const LOOK_MS = 3000;
const TURNS = 4;
/** Signal number -> path, of what is drawn. @type {Record<number, string>} */
const PATHS = {
  1: 'Vehicle.Private.KeyGW.CentralLock.IsLocked', 2: 'Vehicle.Cabin.Door.Row1.DriverSide.IsOpen', 3: 'Vehicle.Cabin.Door.Row1.PassengerSide.IsOpen',
  4: 'Vehicle.Body.Trunk.Rear.IsOpen', 7: 'Vehicle.Powertrain.TractionBattery.StateOfCharge.Current', 8: 'Vehicle.Body.Lights.Hazard.IsSignaling',
  16: 'Vehicle.Cabin.Door.Row2.DriverSide.IsOpen', 17: 'Vehicle.Cabin.Door.Row2.PassengerSide.IsOpen', 22: 'Vehicle.Cabin.Door.Row1.DriverSide.Window.IsOpen',
  23: 'Vehicle.Cabin.Door.Row1.PassengerSide.Window.IsOpen', 24: 'Vehicle.Cabin.Door.Row2.DriverSide.Window.IsOpen',
  25: 'Vehicle.Cabin.Door.Row2.PassengerSide.Window.IsOpen', 33: 'Vehicle.Body.Hood.IsOpen',
};
/** Our own link is over by then: what it told is no longer how things are now. */
const MAX_AGE = 20;

/** @param {string} action @returns {number} */
const actionNumber = (action) => ACTION[/** @type {keyof typeof ACTION} */ (action.toUpperCase())];
/** @param {number} outcome */
const word = (outcome) => outcomeName(outcome).toLowerCase().replace(' ', '_');

/**
 * @param {Kept} kept @param {string} action
 * @param {{onStep: (step: 'near' | 'verifying' | 'asked') => void, onSignals: (signals: any[]) => void, signal?: AbortSignal}} told
 * @returns {Promise<Tapped>} what the car has answered, also its refusal; `Fault` where it has answered nothing
 */
export async function tap(kept, action, { onStep, onSignals, signal }) {
  const began = performance.now();
  return meeting(kept, { onSignals, onAsked: () => onStep('asked'), signal }, async (talk) => {
    onStep('near');
    const command = { number: crypto.getRandomValues(new Uint32Array(1))[0], action: actionNumber(action) };
    const done = await ask(talk, kept, command, onStep);
    const receipt = await receiptOf(talk, done.receipt, command.number, kept);
    const ack = await bring(talk, kept, done.list);
    return { code: word(done.outcome), ok: isSuccess(done.outcome), road: done.road, ms: performance.now() - began, receipt, pair: done.pair, kept: done.kept, ack };
  });
}

/**
 * Looks how the car is, and asks it for nothing.
 * @param {Kept} kept @param {{onSignals: (signals: any[]) => void, signal: AbortSignal}} told
 * @returns {Promise<{pair: Kept['pair'], kept: boolean, code: string, ack: string | null}>}
 */
export async function look(kept, { onSignals, signal }) {
  return meeting(kept, { ms: LOOK_MS, onSignals, onAsked: () => undefined, signal }, async (talk) => {
    let verdict = await talk.exchange('result', (now) => talk.session.open({ command: null, subscribe: true }, now));
    let { pair } = verdict;
    for (let turn = 0; turn < TURNS && verdict.waiting; turn += 1) {
      const cured = await cure(talk, kept, verdict.result);
      if (!cured) break;
      verdict = cured;
      pair = cured.pair ?? pair;
    }
    const ack = await bring(talk, kept, verdict.result.list);
    if (!talk.over && !verdict.waiting) await talk.exchange('receipts', (now) => talk.session.receiptsAfter(0xffffffff, now)).catch(() => null); // its answer comes behind the signals
    return { pair, kept: Boolean(pair), code: word(verdict.result.outcome), ack };
  });
}

/**
 * A conversation over the lent link, until `act` is done. @template T
 * @param {Kept} kept @param {{ms?: number, onSignals: (signals: any[]) => void, onAsked: () => void, signal?: AbortSignal}} told @param {(talk: Talk) => Promise<T>} act @returns {Promise<T>}
 */
async function meeting(kept, { ms = OPEN_MS, onSignals, onAsked, signal }, act) {
  const { vehicle } = kept.token;
  const key = {
    vehicleId: vehicle.id, vehicleKey: decompress(fromBase64url(vehicle.public_key)), token: fromBase64url(kept.token.cwt), keyId: idRaw('key', kept.keyId),
    index: kept.index, kept: kept.kept, signer: await device(),
  };
  const link = await lend(vehicle.id, ms, signal);
  const talk = new Talk(link, key, false, (signals) => onSignals(signals.flatMap(signalOf)), onAsked);
  try {
    await talk.next('hello');
    return await act(talk);
  } finally {
    await talk.close();
  }
}

/** @param {Talk} talk @param {Kept} kept @param {{number: number, action: number}} command @param {(step: 'verifying') => void} onStep */
async function ask(talk, kept, command, onStep) {
  onStep('verifying');
  if (kept.pair && FAST_ACTIONS.includes(/** @type {1} */ (command.action))) {
    talk.note();
    const { result } = await talk.exchange('fast', (now) => talk.session.hurry(/** @type {any} */ (kept.pair), command, true, now));
    if (result) return { outcome: result.outcome, receipt: result.receipt, list: result.list, road: /** @type {const} */ ('fast'), pair: isSuccess(result.outcome) ? kept.pair : null, kept: kept.kept };
    await talk.exchange('hello', (now) => talk.session.helloAgain(now)); // the car does not know the pair any more
  }
  const first = await talk.exchange('result', (now) => talk.session.open({ command, subscribe: true }, now));
  let { result, pair, waiting } = first;
  let answered = result.number !== null && !waiting;
  for (let turn = 0; turn < TURNS && waiting; turn += 1) {
    const cured = await cure(talk, kept, result);
    if (!cured) break;
    ({ result, waiting } = cured);
    pair = cured.pair ?? pair;
    answered = false;
  }
  let { outcome, receipt } = result;
  if (!answered && !waiting && isSuccess(outcome)) {
    const { response } = await talk.exchange('response', (now) => talk.session.command(command, now));
    ({ outcome, receipt } = response);
  }
  return { outcome, receipt, list: result.list, road: /** @type {const} */ ('full'), pair, kept: Boolean(pair) };
}

/** What the car waits for: the chain, the time, the list. @param {Talk} talk @param {Kept} kept @param {any} result @returns {Promise<any>} its next verdict; null if we have nothing */
async function cure(talk, kept, result) {
  const { session } = talk;
  if (result.outcome === OUTCOME.CHAIN_REQUIRED && kept.token.chain.length) {
    const chain = kept.token.chain.map((/** @type {any} */ each) => [fromBase64url(each.grant), fromBase64url(each.parent_token)]);
    return talk.exchange('result', (now) => session.putChain(chain, now));
  }
  if (result.outcome === OUTCOME.TIME_PROOF_REQUIRED) {
    const told = await api.call('POST', `/v1/vehicles/${kept.token.vehicle.id}/time-proofs`, { nonce: toBase64url(result.timeNonce) }).catch(() => null);
    if (!told) return null;
    kept.token.revocation_list = told.revocation_list;
    return talk.exchange('result', (now) => session.proveTime(fromBase64url(told.proof), now));
  }
  const list = kept.token.revocation_list;
  if (list.signed && list.sequence > result.list) {
    await talk.exchange('listAck', (now) => session.pushList(fromBase64url(list.signed), now));
    return session.waiting ? talk.next('result').catch(() => null) : null;
  }
  return null;
}

/** Brings the newest list once the command is answered: no door waits for it. @param {Talk} talk @param {Kept} kept @param {number} known @returns {Promise<string | null>} the car's signature */
async function bring(talk, kept, known) {
  const list = kept.token.revocation_list;
  if (talk.over || !list.signed || list.sequence <= known || talk.session.waiting) return null;
  const heard = await talk.exchange('listAck', (now) => talk.session.pushList(fromBase64url(list.signed), now)).catch(() => null);
  return heard && toBase64url(heard.signed);
}

/** @param {{signal: number, value: boolean | number | string, at: number}} heard */
function signalOf({ signal, value, at }) {
  const path = PATHS[signal];
  const seconds = at || Date.now() / 1000;
  return path ? [{ path, value, ts: new Date(seconds * 1000).toISOString(), received_at: new Date().toISOString(), quality: 'live', max_age: MAX_AGE }] : [];
}

/** The receipt of that command, its signature checked. @param {Talk} talk @param {number} sequence @param {number} number @param {Kept} kept */
async function receiptOf(talk, sequence, number, kept) {
  if (!sequence || talk.over || talk.session.waiting) return null;
  const { vehicle } = kept.token;
  try {
    const vehicleKey = decompress(fromBase64url(vehicle.public_key));
    const { receipts } = await talk.exchange('receipts', (now) => talk.session.receiptsAfter(sequence - 1, now));
    for (const signed of receipts) {
      const [header, , payload, signature] = /** @type {any} */ (decode(signed));
      await verify(vehicleKey, signature, encode(['Signature1', header, new Uint8Array(0), payload]), new Fault('token_signature'));
      const [car, place, command, key, did, outcome, , , , , , at] = /** @type {any} */ (decode(payload));
      if (command === number && idText('veh', car) === vehicle.id) {
        const name = Object.entries(ACTION).find(([, each]) => each === did)?.[0].toLowerCase() ?? String(did);
        return { sequence: place, key_id: idText('key', key), action: name, outcome: word(outcome), ok: isSuccess(outcome), at: at ? new Date(at * 1000).toISOString() : null };
      }
    }
  } catch (error) {
    if (codeOf(error) === 'misuse') throw error;
  }
  return null; // none that holds, or the link is gone: the answer counts all the same
}
