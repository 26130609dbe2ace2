// The mistakes of a conversation, each with the code of the specification.

/**
 * Codes of `protocols/key_token` (*Refusals*), and of a session: `breach` (the peer does what the table of states or a
 * form does not know, or what does not authenticate), `timed_out`, `refused` and `session_over` (ERROR 1 and 2 of the
 * peer), `version_unsupported`, `link_lost`, and `misuse`: our own caller asks for what has no place now.
 * @typedef {'token_malformed' | 'wrong_type' | 'unknown_issuer' | 'token_signature' | 'wrong_audience'
 *   | 'token_not_yet_valid' | 'token_expired' | 'key_revoked' | 'key_suspended' | 'not_entitled'
 *   | 'grant_foreign' | 'grant_unentitled' | 'grant_wider' | 'grant_depth' | 'grant_outlived'
 *   | 'receipt_chain' | 'breach' | 'timed_out' | 'refused' | 'session_over' | 'version_unsupported' | 'link_lost'
 *   | 'misuse'} Code
 */

/** Anything that went wrong, by its `code`. The text is for people and holds nothing secret. */
export class SessionError extends Error {
  /** @param {Code} code @param {string} message */
  constructor(code, message) {
    super(message);
    this.name = 'SessionError';
    /** @type {Code} */
    this.code = code;
  }
}

/** A breach by the peer. @param {string} message */
export const breach = (message) => new SessionError('breach', message);

/** A signed object that is not in its form. @param {string} message */
export const malformed = (message) => new SessionError('token_malformed', message);
