// Proofs of possession for tokens that are bound to a key (RFC 9449).

import { toBase64url, utf8 } from '../session/bytes.js';
import { sha256 } from '../session/primitives.js';

/** @param {unknown} value */
const part = (value) => toBase64url(utf8(JSON.stringify(value)));

/**
 * RFC 9449, section 4.2.
 * @param {CryptoKeyPair} keys @param {{method: string, url: string, access?: string | null, nonce?: string | null, now: number}} about `now`: Unix seconds
 */
export async function prove(keys, { method, url, access, nonce, now }) {
  const { x, y } = await crypto.subtle.exportKey('jwk', keys.publicKey);
  const { origin, pathname } = new URL(url); // htu has neither query nor fragment
  const header = { typ: 'dpop+jwt', alg: 'ES256', jwk: { crv: 'P-256', kty: 'EC', x, y } };
  const claims = {
    jti: toBase64url(crypto.getRandomValues(new Uint8Array(16))), htm: method, htu: origin + pathname, iat: Math.floor(now),
    ...(access ? { ath: toBase64url(await sha256(utf8(access))) } : {}), ...(nonce ? { nonce } : {}),
  };
  const content = `${part(header)}.${part(claims)}`;
  const signature = await crypto.subtle.sign({ name: 'ECDSA', hash: 'SHA-256' }, keys.privateKey, utf8(content));
  return `${content}.${toBase64url(new Uint8Array(signature))}`;
}
