/** What went wrong on the way to the gateway or to the car, by its stable code. The text is for logs and holds nothing secret. */
export class Fault extends Error {
  /** @param {string} code @param {{status?: number, unsure?: boolean, detail?: string}} [more] `unsure`: it may have happened */
  constructor(code, { status = 0, unsure = false, detail = '' } = {}) {
    super(detail || code);
    this.name = 'Fault';
    this.code = code;
    this.status = status;
    this.unsure = unsure;
  }
}

/** @param {unknown} error @returns {string} */
export const codeOf = (error) => (error && typeof error === 'object' && 'code' in error && typeof error.code === 'string' ? error.code : 'internal');
