// The device's side of every recorded conversation: the same bytes out, the same values on the way.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { toHex } from '../../../src/keygw/web/js/session/bytes.js';
import { conversation } from './vectors.js';
import { play } from './player.js';

for (const file of ['conversation.json', 'kept.json', 'chain.json', 'rotation.json', 'ranging.json', 'fast.json']) {
  test(`${file}: sends the very bytes`, async () => {
    const recorded = conversation(file);
    const { session } = await play(recorded);
    const values = session.handshake?.values ?? {};
    const known = Object.keys(recorded.derived).filter((name) => name in values);
    for (const name of known) assert.equal(toHex(values[name]), recorded.derived[name], name);
    if (file === 'conversation.json') assert.ok(known.length >= 18, `only ${known.length} values were compared`);
  });
}

test('ranging.json: keys of the rounds', async () => {
  const recorded = conversation('ranging.json');
  const { session } = await play(recorded);
  assert.equal(toHex(await session.roundKey(1, 2)), recorded.derived['key of round 1, channel_sounding']);
  assert.equal(toHex(await session.roundKey(2, 1)), recorded.derived['key of round 2, uwb']);
});

const { breaches, infos } = conversation('invalid.json');
for (const { name, in: file, instead_of: instead, message } of breaches) {
  const recorded = conversation(file);
  const at = recorded.messages.findIndex((each) => each.name === instead && each.direction === 'V>D');
  if (at < 0) continue;
  test(`${file}: a breach in place of ${instead}: ${name}`, async () => {
    const { session } = await play(recorded, { until: at });
    assert.notEqual(session.state, 'CLOSED');
    await refuse(session, message);
  });
}

for (const { name, message } of breaches.filter((each) => each.name.startsWith('a message of type'))) {
  test(`in an open session: ${name}`, async () => {
    const recorded = conversation('conversation.json');
    const { session } = await play(recorded, { until: recorded.messages.findIndex((each) => each.name === 'CMD') });
    await refuse(session, message);
  });
}

for (const { name, info } of infos) {
  test(`leaves for INFO: ${name}`, async () => {
    const code = name === 'version 2 alone' ? 'version_unsupported' : 'breach';
    await assert.rejects(play(conversation('conversation.json'), { info }), { code });
  });
}

async function refuse(session, message) {
  const { send, events } = await session.receive(new Uint8Array(Buffer.from(message, 'hex')), 0);
  assert.equal(session.state, 'CLOSED');
  assert.ok(send.length <= 1 && send.every((each) => toHex(each) === '7f01'));
  assert.deepEqual(events.map((each) => each.kind), ['closed']);
  assert.ok(['breach', 'version_unsupported', 'refused', 'session_over'].includes(events[0].error.code));
  assert.deepEqual(await session.receive(Uint8Array.of(1), 0), { send: [], events: [] });
}
