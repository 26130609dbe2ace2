/** From an operator's token and the code that the car shows to an unlocked car, and a stream that comes back.
 *
 * KEYGW_URL; then either KEYGW_OPERATOR_TOKEN and KEYGW_CODE, or KEYGW_TOKEN and KEYGW_VEHICLE of an app that has paired.
 */

import { Keygw, Problem, Unreachable, type KeygwEvent, type Schema } from "../src/index.js";
import { done, env, gc, holds } from "./ground.js";

const url = env("KEYGW_URL") ?? "";
const SCOPES: Schema<"NewApp">["scopes"] = [
  "vehicle.read", "vehicle.manage", "status.security.read", "command.lock", "command.unlock", "key.read", "key.manage",
];

async function registered(): Promise<string> {
  const given = env("KEYGW_TOKEN");
  if (given !== undefined) return given;
  const operator = new Keygw({ url, token: env("KEYGW_OPERATOR_TOKEN") ?? "" });
  const made = await operator.ask("post", "/v1/apps", { body: { name: "Garage", scopes: SCOPES, machine: true } });
  holds("an app has the scopes that it was given", made.app.scopes.length === SCOPES.length);
  return made.token ?? "";
}

async function paired(keygw: Keygw): Promise<string> {
  const given = env("KEYGW_VEHICLE");
  if (given !== undefined) return given;
  const body = { code: env("KEYGW_CODE") ?? "", name: "Aurora" };
  let pairing = await keygw.ask("post", "/v1/pairings", { body });
  while (pairing.state !== "done" && pairing.state !== "failed") {
    await new Promise((resolve) => setTimeout(resolve, 20));
    pairing = await keygw.ask("get", "/v1/pairings/{pairing_id}", { path: { pairing_id: pairing.id } });
  }
  holds("the car has taken the owner key", pairing.state === "done");
  return pairing.vehicle_id ?? "";
}

/** The error that comes of it. */
async function refused(wish: Promise<unknown>): Promise<unknown> {
  return wish.then(
    () => undefined,
    (error: unknown) => error,
  );
}

/** The events until a command is settled. */
async function untilSettled(events: AsyncGenerator<KeygwEvent>): Promise<KeygwEvent[]> {
  const heard: KeygwEvent[] = [];
  for (;;) {
    const next = await events.next();
    if (next.done === true) throw new Error("the stream has ended");
    heard.push(next.value);
    if (next.value.type === "keygw.command.updated" && next.value.data["settled"] === true) return heard;
  }
}

const gateway = new Keygw({ url });
const about = await gateway.ask("get", "/.well-known/keygw");
holds("it speaks v1", about.api_versions.includes("v1"));
const missing = await refused(gateway.ask("get", "/v1/vehicles"));
holds("without a token there is a problem", missing instanceof Problem && missing.code === "token_missing");

const token = await registered();
const keygw = new Keygw({ url, token: () => Promise.resolve(token), client: "garage/2.1.0" });
const vehicle = await paired(keygw);
const { vehicles } = await keygw.ask("get", "/v1/vehicles");
holds("the car is there", vehicles.some((each) => each.id === vehicle));

const ending = new AbortController();
let opened = (): void => {};
const open = new Promise<void>((resolve) => (opened = resolve));
const events = keygw.events({ vehicle, signal: ending.signal, opened });
const first = untilSettled(events);
await open;
const wish = { idempotencyKey: crypto.randomUUID(), wait: 10 };
const unlocked = await keygw.command(vehicle, "unlock", wish);
holds("the car has signed for it", unlocked.state === "confirmed" && unlocked.settled);
const again = await keygw.command(vehicle, "unlock", wish);
holds("the same wish is the same command", again.id === unlocked.id);
const other = await refused(keygw.command(vehicle, "lock", wish));
holds("another under its key is refused", other instanceof Problem && other.code === "idempotency_mismatch");
const heard = await first;
holds("the stream tells of it", heard.at(-1)?.data["id"] === unlocked.id);

const locked = await keygw.command(vehicle, { action: "lock" });
holds("locked again", locked.state === "confirmed");
const later = await untilSettled(events);
ending.abort();
holds("a stream ends when its reader wants", (await events.next()).done);
const whole = [...heard, ...later];
holds("no id comes twice", new Set(whole.map((event) => event.position)).size === whole.length);
for (const [place, seen] of whole.entries()) {
  const rest = whole.slice(place + 1);
  const leaving = new AbortController();
  const resumed = keygw.events({ vehicle, after: seen.position, signal: leaving.signal });
  for (const expected of rest) {
    const event = await resumed.next();
    holds("it comes back where it was", event.value?.position === expected.position && event.value?.id === expected.id);
  }
  gc(); // after which Node's fetch may have forgotten its signal
  leaving.abort();
  await resumed.return();
}

const { signals } = await keygw.ask("post", "/v1/vehicles/{vehicle_id}/signals:batchGet", {
  path: { vehicle_id: vehicle },
  body: { paths: ["Vehicle.Private.KeyGW.CentralLock.IsLocked", "Vehicle.CurrentLocation.Latitude"] },
});
holds("one answer for each path", signals.length === 2);
const hidden = signals[1];
const scope = hidden !== undefined && "error" in hidden ? hidden.required_scope : undefined;
holds("what it may not read says which scope", scope === "status.location.read");
const { receipts } = await keygw.ask("get", "/v1/vehicles/{vehicle_id}/receipts", {
  path: { vehicle_id: vehicle },
  query: { limit: 1 },
});
holds("a query is sent", receipts.length === 1);
const unknown = await refused(keygw.ask("get", "/v1/keys/{key_id}", { path: { key_id: "no/such key" } }));
holds("a name cannot leave its place in the path", unknown instanceof Problem && unknown.status === 404);
const wrong = await refused(keygw.ask("post", "/v1/pairings", { body: { code: "1", name: "" } }));
holds("a problem says what was wrong", wrong instanceof Problem && (wrong.document.errors?.length ?? 0) > 0);
const revoked = await refused(new Keygw({ url, token: "kgw_no" }).events().next());
holds("a stream is refused with its problem", revoked instanceof Problem && revoked.status === 401);
const nobody = await refused(new Keygw({ url: "http://127.0.0.1:1", token }).ask("get", "/health"));
holds("nobody there is Unreachable", nobody instanceof Unreachable && nobody.retryable && !nobody.mayHaveHappened);

done({ vehicle, command: unlocked.id });
