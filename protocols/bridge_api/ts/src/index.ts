/** The bridge API of keygw for TypeScript: types made from its OpenAPI document, and a thin client. */

export type { ConnectionOptions } from "./connection.js";
export { DpopKey, type ProofRequest, type Prover } from "./dpop.js";
export { Keygw, type Command, type EventOptions, type KeygwEvent, type NewCommand } from "./keygw.js";
export { KeygwError, Problem, Stranger, Unreachable, type ProblemDocument } from "./problem.js";
export type { components, operations, paths } from "./schema.js";
export type { Answer, Manners, Method, PathOf, Request, Schema } from "./shapes.js";
export { EventReader, type ServerEvent } from "./sse.js";
