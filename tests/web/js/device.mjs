// A phone made of keygw/web/js, as a process: JSON lines in and out, the frames of its link among them. Node 20 or newer.

import { createInterface } from 'node:readline';
import { Driver } from '../../../src/keygw/web/js/driver/index.js';
import { Fault } from '../../../src/keygw/web/js/fault.js';
import { Mailbox } from '../../../src/keygw/web/js/link/port.js';
import { isOf } from '../../../src/keygw/web/js/link/sighting.js';
import { fromBase64url, fromHex, toBase64url, toHex } from '../../../src/keygw/web/js/session/bytes.js';
import { readInfo } from '../../../src/keygw/web/js/session/messages.js';
import { compress } from '../../../src/keygw/web/js/session/p256.js';
import { Keyring } from '../../../src/keygw/web/js/store/keyring.js';
import { MemoryStore } from '../../../src/keygw/web/js/store/memory.js';

const say = (line) => process.stdout.write(`${JSON.stringify(line)}\n`);
let lateness = 0;
let opening = null;
let links = new Map();
let keyring = null;
let vehicle = null;

class PipeLink {
  kind = 'pipe';
  #mail = new Mailbox();

  constructor({ id, info, max_frame: maxFrame, kind }) {
    Object.assign(this, { id, info: fromHex(info), maxFrame, link: kind, peer: String(id) });
    links.set(id, this);
  }

  async send(frame) {
    if (this.#mail.over) throw this.#mail.over;
    say({ link: this.id, frame: toHex(frame) });
  }

  listen(ear) {
    this.#mail.listen(ear);
  }

  async close() {
    if (links.delete(this.id)) say({ link: this.id, closed: true });
    this.#mail.end(new Fault('link_lost'), false);
  }

  heard(frame) {
    this.#mail.frame(fromHex(frame));
  }

  lost(code) {
    links.delete(this.id);
    this.#mail.end(new Fault(code, { retryable: true }));
  }
}

const air = {
  kind: 'pipe',
  async open(car) {
    const seen = await new Promise((resolve) => { opening = resolve; say({ scan: true }); });
    const ours = (await Promise.all(seen.map(async (id) => ((await isOf(fromHex(id), car.advertisingKey)) ? id : null)))).find((id) => id);
    if (!ours) throw new Fault('out_of_range');
    const told = await new Promise((resolve) => { opening = resolve; say({ open: ours }); });
    if (told.code) throw new Fault(told.code, { retryable: true });
    const link = new PipeLink(told);
    try {
      if (!(await isOf(readInfo(link.info).rotatingId, car.advertisingKey))) throw new Fault('out_of_range');
    } catch (error) {
      await link.close();
      throw error;
    }
    return link;
  },
};

/** The gateway's part, asked for over the same pipe. */
const proofs = [];
const api = {
  timeProof: (vehicleId, nonce) => new Promise((resolve, reject) => {
    proofs.push((told) => (told ? resolve(told) : reject(new Fault('no_gateway'))));
    say({ prove: toBase64url(nonce) });
  }),
};

const ticks = () => performance.now() / 1000 + lateness;

const orders = {
  async new() {
    for (const link of links.values()) await link.close();
    [keyring, lateness, links] = [new Keyring(new MemoryStore()), 0, new Map()];
    const { publicKey } = await keyring.device();
    return { public_key: toBase64url(compress(publicKey)) };
  },
  async accept({ key }) {
    const { claims } = await keyring.take(key);
    vehicle = claims.vehicleId;
    return {};
  },
  async carry({ list }) {
    await keyring.takeList(list);
    return { acks: await keyring.acks() };
  },
  async tap({ action, number = null }) {
    const steps = [];
    const signals = [];
    const driver = new Driver({ keyring, api, ticks });
    const onSignals = (more) => signals.push(...more);
    try {
      const told = await driver.tap(air, vehicle, action, { onStep: (step) => steps.push(step), number, onSignals });
      return { ...told, receipt: told.receipt && { outcome: told.receipt.outcome, action: told.receipt.action }, steps, signals: signals.length };
    } catch (error) {
      if (!(error instanceof Fault)) throw error;
      return { ok: false, outcome: error.code, step: error.step, may_have_happened: error.mayHaveHappened, number: error.number, steps };
    }
  },
};

for await (const line of createInterface({ input: process.stdin })) {
  const order = JSON.parse(line);
  if ('late' in order) lateness = order.late;
  if ('frame' in order) links.get(order.link)?.heard(order.frame);
  else if ('lost' in order) links.get(order.link)?.lost(order.lost);
  else if ('opened' in order) opening(order.opened);
  else if ('seen' in order) opening(order.seen);
  else if ('proven' in order) proofs.shift()(order.proven);
  else {
    orders[order.do](order).then((answer) => say({ did: order.do, ...answer }), (error) => say({ did: order.do, broken: String(error.stack) }));
  }
}
