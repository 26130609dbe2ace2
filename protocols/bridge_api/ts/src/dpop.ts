/** Proofs that a request comes from who holds the key that its token is bound to (RFC 9449), with WebCrypto alone. */

/** What makes the proofs for a connection. `DpopKey` is one; an app may have another, such as one with a native key. */
export interface Prover {
  /** One proof, for one request; `url` may have a query. `nonce`: the newest one that the gateway has sent. */
  proof(request: ProofRequest): Promise<string>;
}

export interface ProofRequest {
  readonly method: string;
  readonly url: string;
  /** What the proof comes with; left out where there is none yet, at the token endpoint. */
  readonly accessToken?: string | undefined;
  readonly nonce?: string | undefined;
}

interface PublicJwk {
  readonly crv: string;
  readonly kty: string;
  readonly x: string;
  readonly y: string;
}

const ALGORITHM = { name: "ECDSA", namedCurve: "P-256" } as const;

/** A P-256 key for ES256. Its private half cannot be read by scripts unless it was imported so. */
export class DpopKey implements Prover {
  private constructor(
    private readonly privateKey: CryptoKey,
    private readonly jwk: PublicJwk,
    private readonly now: () => number,
  ) {}

  /** A new key, for as long as the page lives. `now`: milliseconds, for a clock of one's own. */
  static async generate(now: () => number = Date.now): Promise<DpopKey> {
    return DpopKey.of(await crypto.subtle.generateKey(ALGORITHM, false, ["sign", "verify"]), now);
  }

  /** A key that the app keeps: an ECDSA P-256 pair, which IndexedDB stores as it is. */
  static async of(pair: CryptoKeyPair, now: () => number = Date.now): Promise<DpopKey> {
    const { crv, kty, x, y } = await crypto.subtle.exportKey("jwk", pair.publicKey);
    if (kty !== "EC" || crv !== "P-256" || x === undefined || y === undefined) {
      throw new TypeError("a DPoP key here is an ECDSA key on P-256");
    }
    return new DpopKey(pair.privateKey, { crv, kty, x, y }, now);
  }

  /** RFC 7638: what a token bound to this key says in `cnf.jkt`. The members stand in lexicographic order. */
  async thumbprint(): Promise<string> {
    return digest(JSON.stringify(this.jwk));
  }

  /** RFC 9449, section 4.2. */
  async proof({ method, url, accessToken, nonce }: ProofRequest): Promise<string> {
    const header = { typ: "dpop+jwt", alg: "ES256", jwk: this.jwk };
    const claims = {
      jti: base64url(crypto.getRandomValues(new Uint8Array(16))),
      htm: method.toUpperCase(),
      htu: target(url),
      iat: Math.floor(this.now() / 1000),
      ...(accessToken === undefined ? {} : { ath: await digest(accessToken) }),
      ...(nonce === undefined ? {} : { nonce }),
    };
    const signed = `${part(header)}.${part(claims)}`;
    // WebCrypto signs as JWS wants it: r and s, 32 bytes each (RFC 7518, section 3.4).
    const signature = await crypto.subtle.sign({ name: "ECDSA", hash: "SHA-256" }, this.privateKey, bytes(signed));
    return `${signed}.${base64url(new Uint8Array(signature))}`;
  }
}

/** The URI without query and fragment, normalised. */
function target(url: string): string {
  const parsed = new URL(url);
  return `${parsed.origin}${parsed.pathname}`;
}

async function digest(text: string): Promise<string> {
  return base64url(new Uint8Array(await crypto.subtle.digest("SHA-256", bytes(text))));
}

function part(value: object): string {
  return base64url(bytes(JSON.stringify(value)));
}

function bytes(text: string): Uint8Array<ArrayBuffer> {
  return new TextEncoder().encode(text);
}

function base64url(raw: Uint8Array): string {
  const binary = Array.from(raw, (byte) => String.fromCharCode(byte)).join("");
  return btoa(binary).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
}
