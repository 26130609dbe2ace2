/** What goes wrong between an app and the gateway: it cannot be reached, it is another, or it says no. */

import type { components } from "./schema.js";

export type ProblemDocument = components["schemas"]["Problem"];

/** All that this package throws. */
export class KeygwError extends Error {
  constructor(
    text: string,
    /** The same may be asked again. */
    readonly retryable: boolean = false,
    /** It may have been done all the same. */
    readonly mayHaveHappened: boolean = false,
    options?: ErrorOptions,
  ) {
    super(text, options);
    this.name = new.target.name;
  }
}

/** No answer came. */
export class Unreachable extends KeygwError {}

/** What answers there is no gateway, or one whose answer this release does not understand. */
export class Stranger extends KeygwError {}

/** The gateway's refusal (RFC 9457). Branch on `code`, which is stable; `document` is the whole of it. */
export class Problem extends KeygwError {
  constructor(
    readonly status: number,
    readonly document: ProblemDocument,
  ) {
    super(`${document.detail} [${document.code}]`, document.retryable, document.may_have_happened);
  }

  get code(): string {
    return this.document.code;
  }

  /** Seconds, where the gateway says so. */
  get retryAfter(): number | undefined {
    return this.document.retry_after ?? undefined;
  }

  /** What the token lacks, for `insufficient_scope`. */
  get requiredScope(): string | undefined {
    return this.document.required_scope ?? undefined;
  }

  /** Names the request in the gateway's log. */
  get traceId(): string {
    return this.document.trace_id;
  }
}

/** What a refusal says, or `Stranger` if it is none of a gateway's. */
export function refusal(status: number, told: unknown): KeygwError {
  const document = told as Partial<ProblemDocument> | null;
  if (typeof document !== "object" || typeof document?.code !== "string" || typeof document.detail !== "string") {
    return new Stranger(`what answers there is no keygw gateway (status ${status})`);
  }
  return new Problem(status, document as ProblemDocument);
}
