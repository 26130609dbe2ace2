/** Asks a server that wants proofs (KEYGW_URL), and reads a stream cut in every place. */

import { DpopKey, EventReader, Keygw, Problem, type ServerEvent } from "../src/index.js";
import { done, env, holds } from "./ground.js";

const key = await DpopKey.generate();
const keygw = new Keygw({ url: env("KEYGW_URL") ?? "", token: "a-token", dpop: key });
const told = await keygw.ask("get", "/v1/keys", { query: { vehicle_id: "v1" } });
holds("the server took a proof with its nonce", Array.isArray(told.keys));
await keygw.ask("post", "/v1/keys/{key_id}:revoke", { path: { key_id: "k1" } });
const refused: unknown = await keygw.ask("get", "/v1/apps/self").catch((error: unknown) => error);
holds("a 401 behind a new nonce is not tried for ever", refused instanceof Problem && refused.code === "token_unknown");

const text = 'id: 1\r\nevent: a\r\ndata: ü\r\ndata: b\r\n\r\n: still here\n\nretry: 2000\n\nid: 2\rdata:{"x":1}\r\r';
const raw = new TextEncoder().encode(text);
const expected: ServerEvent[] = [{ type: "a", data: "ü\nb", id: "1" }, { type: "message", data: '{"x":1}', id: "2" }];
for (let cut = 0; cut <= raw.length; cut += 1) {
  const reader = new EventReader();
  // A lone CR at the end waits for what follows, as it may be half of a CRLF.
  const parts = [raw.slice(0, cut), raw.slice(cut), new TextEncoder().encode(":")];
  const events = parts.flatMap((part) => reader.feed(part));
  holds(`cut at ${cut}`, JSON.stringify(events) === JSON.stringify(expected) && reader.lastId === "2");
}
const endless = new EventReader();
let bounded = false;
try {
  for (let i = 0; i < 40; i += 1) endless.feed(new Uint8Array(1 << 16).fill(97));
} catch (error) {
  bounded = error instanceof RangeError;
}
holds("an event without end is refused", bounded);

done({ thumbprint: await key.thumbprint() });
