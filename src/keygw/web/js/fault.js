// What went wrong on the way to the gateway or the car, for everything above the session.

import { SessionError } from './session/errors.js';

/**
 * `step`: how far it had come. `mayHaveHappened`: the command may have been carried out all the same; `number`: of that
 * command, for a retry that does it once at most.
 * @typedef {{detail?: string, step?: string | null, status?: number, mayHaveHappened?: boolean, retryable?: boolean, retryAfter?: number | null,
 *   requiredScope?: string | null, traceId?: string | null, number?: number | null}} Circumstances
 */

/** Branch on `code`, which is stable. The text is for logs, and holds nothing secret. */
export class Fault extends Error {
  /** @param {string} code @param {Circumstances} [more] */
  constructor(code, { detail = '', step = null, status = 0, mayHaveHappened = false, retryable = false, retryAfter = null, requiredScope = null, traceId = null, number = null } = {}) {
    super(detail || code);
    this.name = 'Fault';
    this.code = code;
    this.step = step;
    this.status = status;
    this.mayHaveHappened = mayHaveHappened;
    this.retryable = retryable;
    this.retryAfter = retryAfter;
    this.requiredScope = requiredScope;
    this.traceId = traceId;
    this.number = number;
  }
}

/** @param {unknown} error @returns {string} `internal` for what is no error of ours */
export const codeOf = (error) => (error instanceof Fault || error instanceof SessionError ? error.code : 'internal');

/** @param {unknown} error @param {Circumstances} more what is known besides @returns {Fault} */
export function faultOf(error, more) {
  if (error instanceof Fault) return Object.assign(error, { step: error.step ?? more.step ?? null, mayHaveHappened: error.mayHaveHappened || more.mayHaveHappened === true, number: error.number ?? more.number ?? null });
  if (error instanceof SessionError) return new Fault(error.code, { detail: error.message, ...more });
  throw error;
}

/** @param {AbortSignal | undefined | null} signal @throws {Fault} cancelled */
export function heed(signal) {
  if (signal?.aborted) throw new Fault('cancelled');
}
