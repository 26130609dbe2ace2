// Plays a recorded conversation to the session, the vehicle's messages from the record; what the device sends must be
// the record's, byte by byte.

import assert from 'node:assert/strict';
import { fromHex, toHex } from '../../../src/keygw/web/js/session/bytes.js';
import { decode, decodeSequence, encode } from '../../../src/keygw/web/js/session/cbor.js';
import { kdf } from '../../../src/keygw/web/js/session/edhoc.js';
import { idRaw } from '../../../src/keygw/web/js/session/ids.js';
import { decompress, pointOf, verify } from '../../../src/keygw/web/js/session/p256.js';
import { open as unseal } from '../../../src/keygw/web/js/session/primitives.js';
import { Session } from '../../../src/keygw/web/js/session/session.js';
import { ephemeral, vectors } from './vectors.js';

const KEYS = vectors('key_token/vectors/keys.json').keys;

/** Vehicle key, and device's point: the vector's own, or those of the shared cast. */
const vehicleKey = (inputs) => decompress(fromHex(inputs.vehicle_public ?? KEYS.vehicle.public_key));

/** The device key of a test: signs with RFC 6979's nonce as the vectors do, by giving the recorded signature. */
function recordedSigner(recorded, session) {
  const { derived } = recorded;
  return {
    sign: async (data) => {
      if (derived['to be signed 3']) {
        assert.equal(toHex(data), derived['to be signed 3']);
        return fromHex(derived['signature 3']);
      }
      return opened(recorded, session().handshake.values, data);
    },
  };
}

/** The signature inside the recorded message_3, once it is seen to be one of this data by the key of the token. */
async function opened({ inputs, messages }, values, data) {
  const body = fromHex(messages.find((each) => each.name === 'MESSAGE_3').message).slice(1);
  const [key, iv] = [await kdf(values.PRK_2e, 3, values.TH_3, 16), await kdf(values.PRK_2e, 4, values.TH_3, 12)];
  const plain = await unseal(key, iv, encode(['Encrypt0', new Uint8Array(0), values.TH_3]), decode(body));
  const [, signature] = decodeSequence(plain, 9).items;
  const [, , payload] = decode(fromHex(inputs.token));
  const cose = decode(payload).get(8).get(1);
  await verify(pointOf(cose.get(-2), cose.get(-3)), signature, data, new Error('another signature was recorded'));
  return signature;
}

/** A command of the record, from the message's plaintext. */
const command = (plain) => {
  const [number, action] = decode(fromHex(plain));
  return { number, action };
};

/**
 * @param recorded a file of key_session/vectors @param {{until?: number, info?: string}} how
 * @returns {Promise<{session: Session, events: any[]}>} the session after the messages before `until`
 */
export async function play(recorded, { until = Infinity, info } = {}) {
  const { inputs } = recorded;
  const quick = 'g_d_secret' in inputs;
  const token = quick ? new Uint8Array(0) : fromHex(inputs.token);
  const kept = recorded.messages.some((each) => each.name === 'HELLO_REQ');
  const key = {
    vehicleId: inputs.vehicle_id, vehicleKey: vehicleKey(inputs), token, keyId: idRaw('key', inputs.key_id),
    index: kept ? 1 : 0, kept, signer: recordedSigner(recorded, () => session),
  };
  const secret = inputs.g_x_secret ?? inputs.g_d_secret;
  const session = new Session({ key, info: fromHex(info ?? inputs.info), now: 0, link: quick ? 2 : 0, ephemeral: () => ephemeral(secret) });
  const events = [];
  let sent = [];
  for (const [i, { name, direction, message, plaintext }] of recorded.messages.entries()) {
    if (i >= until) break;
    if (direction === 'V>D') {
      const step = await session.receive(fromHex(message), 0);
      events.push(...step.events);
      sent.push(...step.send);
      continue;
    }
    if (sent.length === 0) sent.push(...(await act(session, recorded, name, plaintext)).send);
    assert.equal(toHex(sent.shift()), message, name);
  }
  return { session, events };
}

/** What the device does to send the next message of the record. */
async function act(session, recorded, name, plaintext) {
  const plain = plaintext === undefined ? null : fromHex(plaintext);
  switch (name) {
    case 'HELLO_REQ': return session.helloAgain(0);
    case 'MESSAGE_1': return session.open(opening(recorded), 0);
    case 'FAST': {
      const [k, i] = [recorded.inputs.K_fast, recorded.inputs.K_id].map(fromHex);
      const number = parseInt(plaintext.slice(0, 8), 16);
      return session.hurry({ kFast: k, kId: i }, { number, action: plain[4] }, (plain[5] & 0x80) !== 0, 0);
    }
    case 'CMD': return session.command(command(plaintext), 0);
    case 'RL_PUSH': return session.pushList(plain, 0);
    case 'RL_GET': return session.getList(0);
    case 'RECEIPT_GET': return session.receiptsAfter(decode(plain)[0], 0);
    case 'RECEIPT_ACK': return session.receiptsStored(decode(plain)[0], 0);
    case 'TIME_PROOF': return session.proveTime(plain, 0);
    case 'CRED_PUT': return session.putChain(decode(plain), 0);
    case 'ISSUER_KEY': return session.bringIssuerKeys(decode(plain), 0);
    case 'RANGE': return session.range(decode(plain)[0], decode(plain)[1], 0);
    case 'ERROR': return session.leave();
    default: throw new Error(name);
  }
}

/** The first command and the wish for events: as recorded in EAD_3. */
function opening({ derived, messages }) {
  if (!derived['EAD_3 value']) {
    const [, number] = decode(fromHex(messages.find((each) => each.name === 'RESULT').plaintext));
    return { subscribe: false, command: number === null ? null : { number, action: 1 } };
  }
  const [, , subscribe, first] = decode(fromHex(derived['EAD_3 value']));
  return { subscribe, command: first && { number: first[0], action: first[1] } };
}
