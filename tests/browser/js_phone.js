// What a page would do with keygw/web/js: enter by the code of the car, give this browser a key of its own, and tap.

async ([code, scope]) => {
  const [{ openStore }, { Keyring }, { Api }, { RelayAir }, { BluetoothAir }, { Driver }, proofs, bytes] = await Promise.all([
    '/js/store/index.js', '/js/store/keyring.js', '/js/api/index.js', '/js/link/relay.js', '/js/link/bluetooth.js',
    '/js/driver/index.js', '/js/token/proofs.js', '/js/session/bytes.js',
  ].map((path) => import(path)));
  const store = await openStore();
  const keyring = new Keyring(store);
  const api = new Api({ store });
  const driver = new Driver({ keyring, api });
  window.t = { store, keyring, api, driver, air: new RelayAir(api), bluetooth: new BluetoothAir(), bytes };
  window.t.tap = async (action, { air = 'air', ...more } = {}) => {
    const steps = [];
    try {
      const told = await driver.tap(window.t[air], window.t.vehicle, action, { onStep: (step) => steps.push(step), ...more });
      return { ...told, receipt: told.receipt && told.receipt.outcome, steps };
    } catch (error) {
      return { code: error.code, step: error.step, mayHaveHappened: error.mayHaveHappened, number: error.number, text: String(error.stack), steps };
    }
  };
  window.t.meet = async (air = 'air') => {
    window.t.signals = [];
    window.t.ended = new Promise((resolve) => { window.t.end = resolve; });
    const listeners = { onSignals: (signals) => window.t.signals.push(...signals), onClosed: (fault) => window.t.end(fault && fault.code) };
    try {
      window.t.meeting = await driver.meet(window.t[air], window.t.vehicle, listeners);
      return 'met';
    } catch (error) {
      return { code: error.code, step: error.step, text: String(error.stack) };
    }
  };
  window.t.command = async (action) => {
    const { outcome, receipt } = await window.t.meeting.command(action);
    return [outcome, receipt && receipt.action];
  };
  if (!code) return null;
  await api.enter(code, 'Aurora', { scope });
  const { body: { keys: [owner] } } = await api.call('GET', '/v1/keys');
  window.t.vehicle = owner.vehicle_id;
  const { body: { challenge } } = await api.call('POST', '/v1/devices/challenges');
  const { publicKey } = await keyring.identity();
  const proof = await proofs.proveRegistration(await keyring.device(), bytes.fromBase64url(challenge));
  await api.call('POST', '/v1/devices', { body: { public_key: publicKey, challenge, proof: bytes.toBase64url(proof), label: 'Browser' } });
  const shared = await api.call('POST', `/v1/keys/${owner.id}:share`, { body: { public_key: publicKey, profile: 'access', lifetime_seconds: 86400, label: 'Mine' } });
  const token = await api.call('GET', `/v1/keys/${shared.body.id}/token`);
  await keyring.take(token.body);
  return { vehicle: owner.vehicle_id, owner: owner.id, key: shared.body.id };
}
