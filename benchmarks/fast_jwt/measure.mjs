// Microseconds of processor time a call, the median of some rounds: {"sign", "verify", "raw_sign", "raw_verify"}.
// Reads {"pem", "public_pem", "header", "claims", "rounds", "batch"} as JSON from stdin. The raw calls are node's own
// crypto on the same bytes, with key objects at hand: what no library on node can do without.
import { createPrivateKey, createPublicKey, sign, verify } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { createSigner, createVerifier } from 'fast-jwt'

const { pem, public_pem, header, claims, rounds, batch } = JSON.parse(readFileSync(0, 'utf8'))
const signer = createSigner({ key: pem, algorithm: 'ES256', header })
const verifier = createVerifier({ key: public_pem, algorithms: ['ES256'], cache: false })
const token = signer(claims)
const key = { key: createPrivateKey(pem), dsaEncoding: 'ieee-p1363' }
const publicKey = { key: createPublicKey(public_pem), dsaEncoding: 'ieee-p1363' }
const message = Buffer.from(token.slice(0, token.lastIndexOf('.')))
const signature = sign('sha256', message, key)

const calls = {
  sign: () => signer(claims),
  verify: () => verifier(token),
  raw_sign: () => sign('sha256', message, key),
  raw_verify: () => verify('sha256', message, publicKey, signature)
}

function timed(call) {
  const start = process.cpuUsage()
  for (let turn = 0; turn < batch; turn++) call()
  const spent = process.cpuUsage(start)
  return (spent.user + spent.system) / batch
}

const seen = Object.fromEntries(Object.keys(calls).map((name) => [name, []]))
for (const call of Object.values(calls)) timed(call)
for (let round = 0; round < rounds; round++) {
  for (const [name, call] of Object.entries(calls)) seen[name].push(timed(call))
}
for (const [name, all] of Object.entries(seen)) seen[name] = all.sort((a, b) => a - b)[all.length >> 1]
console.log(JSON.stringify({ ...seen, token }))
