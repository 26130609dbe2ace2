// An OAuth client that keeps every rule by itself: discovery, registration, DPoP with nonces, refresh, revocation, and a
// resource server's judgement of our access tokens. `node oauth4webapi.mjs`, told by the environment.
import * as oauth from "oauth4webapi";

const issuer = new URL(process.env.KEYGW_INTEROP_URL);
const insecure = { [oauth.allowInsecureRequests]: true };
let cases = 0;
const hold = (true_, what) => {
  if (!true_) throw new Error(`does not hold: ${what}`);
  cases += 1;
};
const refused = async (work, error, what) => {
  try {
    await work();
  } catch (problem) {
    hold(problem.error === error || problem.code === error, `${what}: ${problem.error ?? problem.code ?? problem}`);
    return problem;
  }
  throw new Error(`was not refused: ${what}`);
};

// RFC 8414
const as = await oauth.processDiscoveryResponse(
  issuer,
  await oauth.discoveryRequest(issuer, { algorithm: "oauth2", ...insecure }),
);
hold(as.issuer === issuer.href.replace(/\/$/, ""), "the issuer is the one that was asked");
hold(as.dpop_signing_alg_values_supported.includes("ES256"), "DPoP is announced");

// RFC 7591
const wish = { client_name: "oauth4webapi", scope: "vehicle.read key.read key.manage command.unlock" };
const client = await oauth.processDynamicClientRegistrationResponse(
  await oauth.dynamicClientRegistrationRequest(as, wish, insecure),
);
hold(client.client_secret === undefined, "a phone app has no secret");

// The pairing-code grant, by way of RFC 6749 section 4.5 (extension grants) and RFC 9449
const keys = await oauth.generateKeyPair("ES256");
const DPoP = oauth.DPoP(client, keys);
const none = oauth.None();
const grant = "urn:keygw:params:oauth:grant-type:pairing-code";
const ask = async (parameters, handle = DPoP) =>
  oauth.processGenericTokenEndpointResponse(
    as,
    client,
    await oauth.genericTokenEndpointRequest(as, client, none, grant, parameters, { DPoP: handle, ...insecure }),
  );
const first = await refused(() => ask({ pairing_code: "1" }), "use_dpop_nonce", "a proof without a nonce");
hold(oauth.isDPoPNonceError(first), "the library knows the error, and keeps the nonce");
await refused(() => ask({ pairing_code: "1" }), "invalid_request", "a code that is none");
const tokens = await ask({ pairing_code: process.env.KEYGW_INTEROP_CODE, vehicle_name: "Interop" });
hold(tokens.token_type === "dpop", "the token is bound to the key");
hold(tokens.expires_in > 0 && tokens.scope.split(" ").length === 4, "its life and scope are told");

// RFC 9449 section 7, at the resource
const get = (path, token = tokens.access_token, handle = DPoP) =>
  oauth.protectedResourceRequest(token, "GET", new URL(path, issuer), undefined, undefined, { DPoP: handle, ...insecure });
const vehicles = await (await get("/v1/vehicles")).json();
hold(vehicles.vehicles.some((each) => each.id === process.env.KEYGW_INTEROP_VEHICLE), "it sees the car that was paired");
const thief = oauth.DPoP(client, await oauth.generateKeyPair("ES256"));
await get("/v1/vehicles", tokens.access_token, thief).catch(() => undefined); // keeps the nonce
try {
  await get("/v1/vehicles", tokens.access_token, thief);
  throw new Error("a stolen token was taken");
} catch (problem) {
  hold(problem instanceof oauth.WWWAuthenticateChallengeError, "a stolen token is challenged");
  hold(problem.cause[0].scheme === "dpop" && problem.cause[0].parameters.error === "invalid_dpop_proof", "for its proof");
}

// RFC 9068 and RFC 9449, as a resource server that is not ours judges them
const url = new URL("/v1/vehicles", issuer);
let request;
await oauth
  .protectedResourceRequest(tokens.access_token, "GET", url, undefined, undefined, {
    DPoP,
    ...insecure,
    [oauth.customFetch]: (where, options) => {
      request = new Request(where, options);
      return fetch(where, options);
    },
  })
  .then((response) => response.json());
const claims = await oauth.validateJwtAccessToken(as, request, as.issuer, { requireDPoP: true, ...insecure });
hold(claims.client_id === client.client_id && claims.scope === tokens.scope, "the access token is a good RFC 9068 one");
hold(typeof claims.cnf.jkt === "string" && claims.auth_time > 0, "bound, and it says when the person was seen");

// RFC 6749 section 4.1 with PKCE (RFC 7636), iss (RFC 9207) and DPoP; the person's passkey is made here, of WebCrypto
const b64 = (data) => Buffer.from(data).toString("base64url");
const sha256 = async (data) => new Uint8Array(await crypto.subtle.digest("SHA-256", data));
const site = issuer.href.replace(/\/$/, "");
const person = await crypto.subtle.generateKey({ name: "ECDSA", namedCurve: "P-256" }, true, ["sign"]);
const point = await crypto.subtle.exportKey("jwk", person.publicKey);
const id = crypto.getRandomValues(new Uint8Array(16));
const clientData = (type, challenge) =>
  Buffer.from(JSON.stringify({ type, challenge, origin: issuer.origin, crossOrigin: false }));
const facts = async (flags) =>
  Buffer.concat([await sha256(Buffer.from(issuer.hostname)), Buffer.from([flags, 0, 0, 0, 0])]);
const post = async (path, token, body) => {
  const headers = new Headers({ "Content-Type": "application/json" });
  const how = [headers, body === undefined ? undefined : JSON.stringify(body), { DPoP, ...insecure }];
  return (await oauth.protectedResourceRequest(token, "POST", new URL(path, issuer), ...how)).json();
};
const offered = await post("/v1/passkeys:options", tokens.access_token);
const cose = Buffer.concat([
  Buffer.from("a5010203262001215820", "hex"), Buffer.from(point.x, "base64url"),
  Buffer.from("225820", "hex"), Buffer.from(point.y, "base64url"),
]);
const attested = Buffer.concat([await facts(0x45), Buffer.alloc(16), Buffer.from([0, id.length]), id, cose]);
const attestation = Buffer.concat([
  Buffer.from("a363666d74646e6f6e656761747453746d74a0686175746844617461", "hex"), Buffer.from([0x58, attested.length]), attested,
]);
const passkey = await post("/v1/passkeys", tokens.access_token, {
  name: "Interop", client_data: b64(clientData("webauthn.create", offered.challenge)), attestation_object: b64(attestation),
});
hold(passkey.id?.startsWith("psk_"), `a passkey is registered: ${JSON.stringify(passkey)}`);

const back = "https://app.example/back";
const browserClient = await oauth.processDynamicClientRegistrationResponse(
  await oauth.dynamicClientRegistrationRequest(as, { client_name: "Browser", scope: "key.read", redirect_uris: [back] }, insecure),
);
const verifier = oauth.generateRandomCodeVerifier();
const state = oauth.generateRandomState();
const link = new URL(as.authorization_endpoint);
link.search = new URLSearchParams({
  response_type: "code", client_id: browserClient.client_id, redirect_uri: back, scope: "key.read", state,
  code_challenge: await oauth.calculatePKCECodeChallenge(verifier), code_challenge_method: "S256",
}).toString();
const page = await fetch(link);
const cookie = page.headers.get("set-cookie").split(";")[0];
const asked = JSON.parse(/data-options="([^"]*)"/.exec(await page.text())[1].replaceAll("&quot;", '"'));
const said = clientData("webauthn.get", asked.challenge);
const facts2 = await facts(0x05);
const raw = Buffer.from(
  await crypto.subtle.sign({ name: "ECDSA", hash: "SHA-256" }, person.privateKey, Buffer.concat([facts2, await sha256(said)])),
);
const integer = (bytes) => {
  const start = bytes.findIndex((each) => each !== 0);
  const cut = bytes.subarray(start);
  const body = cut[0] > 127 ? Buffer.concat([Buffer.from([0]), cut]) : cut;
  return Buffer.concat([Buffer.from([2, body.length]), body]);
};
const pair = Buffer.concat([integer(raw.subarray(0, 32)), integer(raw.subarray(32))]);
const answer = await fetch(new URL("/oauth2/authorize/allow", issuer), {
  method: "POST",
  headers: { "Content-Type": "application/json", Cookie: cookie, Origin: site },
  body: JSON.stringify({
    query: link.search.slice(1), credential_id: b64(id), client_data: b64(said), authenticator_data: b64(facts2),
    signature: b64(Buffer.concat([Buffer.from([0x30, pair.length]), pair])),
  }),
});
const sent = await answer.json();
hold(answer.ok, `the person has said yes: ${JSON.stringify(sent)}`);
const parameters = oauth.validateAuthResponse(as, browserClient, new URL(sent.redirect_to), state);
hold(parameters.get("iss") === site, "the library has checked state and iss");
const browserKeys = await oauth.generateKeyPair("ES256");
const browserDPoP = oauth.DPoP(browserClient, browserKeys);
const exchange = async () =>
  oauth.processAuthorizationCodeResponse(
    as,
    browserClient,
    await oauth.authorizationCodeGrantRequest(as, browserClient, none, parameters, back, verifier, {
      DPoP: browserDPoP,
      ...insecure,
    }),
  );
await refused(exchange, "use_dpop_nonce", "a code with a proof without a nonce, which does not spend it");
const coded = await exchange();
hold(coded.token_type === "dpop" && coded.scope === "key.read", "a code becomes tokens");
hold((await get("/v1/keys", coded.access_token, browserDPoP)).ok, "that are good");
await refused(exchange, "invalid_grant", "a code that comes twice");
try {
  await get("/v1/keys", coded.access_token, browserDPoP);
  throw new Error("tokens of a code that came twice were taken");
} catch (problem) {
  hold(problem instanceof oauth.WWWAuthenticateChallengeError, "and what came of it has ended");
}

// RFC 6749 section 6, with rotation
const refresh = async (token) =>
  oauth.processRefreshTokenResponse(
    as,
    client,
    await oauth.refreshTokenGrantRequest(as, client, none, token, { DPoP, ...insecure }),
  );
const second = await refresh(tokens.refresh_token);
hold(second.refresh_token !== tokens.refresh_token, "the refresh token is replaced");
const third = await refresh(second.refresh_token);
hold((await get("/v1/vehicles", third.access_token)).ok, "and what it gives is good");
await refused(() => refresh(tokens.refresh_token), "invalid_grant", "an old refresh token");
await refused(() => refresh(third.refresh_token), "invalid_grant", "the newest, after an old one came");

// RFC 7009
await oauth.processRevocationResponse(
  await oauth.revocationRequest(as, client, none, third.refresh_token, insecure),
);
hold(true, "revoking what is over is a success");

console.log(JSON.stringify({ cases }));
