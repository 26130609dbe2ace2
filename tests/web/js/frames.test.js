import assert from 'node:assert/strict';
import { test } from 'node:test';
import { concat, fromHex, toHex } from '../../../src/keygw/web/js/session/bytes.js';
import { Fragmenter, Reassembler } from '../../../src/keygw/web/js/session/frames.js';
import { conversation } from './vectors.js';

for (const file of ['conversation.json', 'kept.json']) {
  for (const direction of ['D>V', 'V>D']) {
    test(`${file}, ${direction}: frames at MTU 23, both ways`, () => {
      const [cutter, joiner] = [new Fragmenter(), new Reassembler()];
      const messages = conversation(file).messages.filter((each) => each.direction === direction);
      assert.ok(messages.length > 3);
      for (const { message, frames_at_mtu_23: frames } of messages) {
        assert.deepEqual(cutter.cut(fromHex(message), 20).map(toHex), frames);
        const whole = frames.map((frame) => joiner.push(fromHex(frame), 4096, 0));
        assert.equal(toHex(whole.pop()), message);
        assert.ok(whole.every((each) => each === null));
      }
    });
  }
}

for (const { name, limit, frames } of conversation('invalid.json').frames) {
  test(`refuses ${name}`, () => {
    const joiner = new Reassembler();
    const last = frames.at(-1);
    for (const frame of frames.slice(0, -1)) joiner.push(fromHex(frame), limit, 0);
    assert.throws(() => joiner.push(fromHex(last), limit, 0), { code: 'breach' });
  });
}

test('two seconds between two frames, and no more; silence between messages is no offence', () => {
  const [cutter, joiner] = [new Fragmenter(), new Reassembler()];
  const [first, second] = cutter.cut(new Uint8Array(10), 6);
  const [third, fourth] = cutter.cut(new Uint8Array(10), 6);
  assert.equal(joiner.push(first, 512, 0), null);
  assert.equal(joiner.deadline, 2);
  assert.equal(joiner.push(second, 512, 2).length, 10);
  assert.equal(joiner.deadline, null);
  assert.equal(joiner.push(third, 512, 900), null);
  assert.throws(() => joiner.push(fourth, 512, 902.1), { code: 'timed_out' });
});

test('frames of any size carry any message, over the turn of the sequence', () => {
  const message = Uint8Array.from({ length: 4096 }, (_, i) => i % 251);
  for (const size of [2, 3, 20, 244, 512, 9000]) {
    const [cutter, joiner] = [new Fragmenter(), new Reassembler()];
    for (let i = 0; i < 2; i++) {
      const results = cutter.cut(message, size).map((frame) => joiner.push(concat(frame), 4096, 0));
      assert.deepEqual(results.at(-1), message);
    }
  }
});
