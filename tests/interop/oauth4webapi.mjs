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
const wish = { client_name: "oauth4webapi", scope: "vehicle.read key.read command.unlock" };
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
hold(tokens.expires_in > 0 && tokens.scope.split(" ").length === 3, "its life and scope are told");

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
