/** What the generated types say of each route, as types that a caller can use. Nothing here is left at run time. */

import type { components, paths } from "./schema.js";

export type Schema<Name extends keyof components["schemas"]> = components["schemas"][Name];
export type Method = "get" | "put" | "post" | "delete" | "patch";

/** The paths that have this method. */
export type PathOf<M extends Method> = {
  [P in keyof paths]: paths[P] extends { readonly [K in M]: unknown } ? P : never;
}[keyof paths];

type Operation<M extends Method, P extends PathOf<M>> = paths[P][M];

type Good = 200 | 201 | 202 | 204;
type Json<Response> = Response extends { content: { "application/json": infer Body } } ? Body : undefined;

/** The JSON of a good answer; `undefined` where there is none. */
export type Answer<M extends Method, P extends PathOf<M>> =
  Operation<M, P> extends { responses: infer R } ? { [S in keyof R & Good]: Json<R[S]> }[keyof R & Good] : never;

type Given<O, Name extends "path" | "query"> = O extends { parameters: { [K in Name]: infer V } }
  ? { readonly [K in Name]: V }
  : O extends { parameters: { [K in Name]?: infer V } }
    ? [V] extends [undefined] ? unknown : { readonly [K in Name]?: V }
    : unknown;

type Sent<O> = O extends { requestBody: { content: { "application/json": infer B } } }
  ? { readonly body: B }
  : O extends { requestBody?: { content: { "application/json": infer B } } }
    ? { readonly body?: B }
    : unknown;

/** Which headers of its own a request may have. */
export interface Manners {
  /** The same wish under the same key is carried out once (`Idempotency-Key`). */
  readonly idempotencyKey?: string;
  /** Seconds, 30 at most: answer when it is settled (`Prefer: wait=N`). */
  readonly wait?: number;
  readonly signal?: AbortSignal;
}

export type Request<M extends Method, P extends PathOf<M>> =
  Given<Operation<M, P>, "path"> & Given<Operation<M, P>, "query"> & Sent<Operation<M, P>> & Manners;

/** An argument that may be left out where nothing in it must be given. */
export type Wanted<R> = Record<never, never> extends R ? [request?: R] : [request: R];
