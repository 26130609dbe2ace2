/** QR codes; `qr.d.ts` says as much of the vendored encoder as is used. */
export { default } from "../vendor/qr/index.js";
