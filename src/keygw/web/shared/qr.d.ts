// What is used of the vendored encoder, for `tsc --checkJs`.
export default function encodeQR(text: string, output: "raw", options?: Record<string, any>): boolean[][];
