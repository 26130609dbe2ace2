// What was caught stands on stdin as JSON; `standardwebhooks` from npm takes each, and nothing that was changed.
import { Webhook } from "standardwebhooks";

let said = "";
for await (const part of process.stdin) {
  said += part;
}
let cases = 0;
for (const { headers, body, secret, former } of JSON.parse(said)) {
  for (const each of [secret, former].filter((one) => one !== null)) {
    new Webhook(each).verify(body, headers);
  }
  let taken = true;
  try {
    new Webhook(secret).verify(`${body} `, headers);
  } catch {
    taken = false;
  }
  if (taken) {
    throw new Error("what was changed is taken as well");
  }
  cases += 1;
}
process.stdout.write(`${JSON.stringify({ cases })}\n`);
