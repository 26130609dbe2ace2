/** One gateway over `fetch`: the token in a header and nowhere else, a time-out on everything, a bound on every answer. */

import type { Prover } from "./dpop.js";
import { KeygwError, Stranger, Unreachable, refusal } from "./problem.js";

export interface ConnectionOptions {
  /** Of the gateway, such as `https://keys.example`. */
  readonly url: string;
  /** Or where it comes from: asked for each request, so that it may be refreshed. Left out: the routes without one. */
  readonly token?: string | (() => string | Promise<string>);
  /** For tokens that are bound to a key (RFC 9449): a proof is sent with each request. */
  readonly dpop?: Prover;
  /** Name and version of the app, such as `garage/2.1.0`: a gateway may refuse versions that are too old. */
  readonly client?: string;
  readonly fetch?: typeof fetch;
}

export interface Exchange {
  readonly method: string;
  /** With its query. */
  readonly path: string;
  readonly body?: unknown;
  readonly headers?: Readonly<Record<string, string>>;
  /** Milliseconds that the gateway may take on top. */
  readonly wait?: number;
  readonly signal?: AbortSignal | undefined;
}

const ANSWER_MS = 10_000;
/** The gateway says something every 15 s; three times nothing means that it is gone. */
const SILENCE_MS = 45_000;
const MAX_ANSWER = 16 * 2 ** 20;

export class Connection {
  private readonly fetch: typeof fetch;
  private nonce: string | undefined;

  constructor(private readonly options: ConnectionOptions) {
    this.fetch = options.fetch ?? globalThis.fetch.bind(globalThis);
  }

  /** The JSON of the answer; `undefined` where there is none. Throws `KeygwError`. */
  async ask(exchange: Exchange): Promise<unknown> {
    const timer = new Timer(exchange.signal);
    try {
      timer.start(ANSWER_MS + (exchange.wait ?? 0));
      const response = await this.send(exchange, timer.signal);
      const told = parsed(await whole(response, timer.signal), response.status);
      if (!response.ok) throw refusal(response.status, told);
      return told;
    } catch (error) {
      throw unreachable(error, exchange);
    } finally {
      timer.end();
    }
  }

  /** The chunks of an event stream, for as long as it says something. Throws `KeygwError`. */
  async *stream(exchange: Exchange): AsyncGenerator<Uint8Array, void, void> {
    const timer = new Timer(exchange.signal);
    try {
      timer.start(ANSWER_MS);
      const response = await this.send(exchange, timer.signal);
      if (!response.ok) throw refusal(response.status, parsed(await whole(response, timer.signal), response.status));
      timer.start(SILENCE_MS);
      yield new Uint8Array(); // it is open, though it may say nothing yet
      for await (const chunk of chunks(response, timer.signal)) {
        timer.start(SILENCE_MS);
        yield chunk;
      }
    } catch (error) {
      throw unreachable(error, exchange);
    } finally {
      timer.end();
    }
  }

  /** Once more with the gateway's nonce, where it wants one (RFC 9449, section 8): a 401 has done nothing. */
  private async send(exchange: Exchange, signal: AbortSignal): Promise<Response> {
    const known = this.nonce;
    const response = await this.once(exchange, signal);
    this.nonce = response.headers.get("DPoP-Nonce") ?? this.nonce;
    if (response.status !== 401 || this.options.dpop === undefined || this.nonce === known) return response;
    await response.body?.cancel();
    return this.once(exchange, signal);
  }

  private async once({ method, path, body, headers }: Exchange, signal: AbortSignal): Promise<Response> {
    const { url, token, dpop, client } = this.options;
    const address = url.replace(/\/+$/, "") + path;
    const sent = new Headers({ Accept: "application/json", ...headers });
    const accessToken = typeof token === "function" ? await token() : token;
    if (accessToken !== undefined) sent.set("Authorization", `${dpop === undefined ? "Bearer" : "DPoP"} ${accessToken}`);
    if (dpop !== undefined) sent.set("DPoP", await dpop.proof({ method, url: address, accessToken, nonce: this.nonce }));
    if (client !== undefined) sent.set("Keygw-Client", client);
    if (body !== undefined) sent.set("Content-Type", "application/json");
    const text = body === undefined ? null : JSON.stringify(body);
    // A redirect could carry the token elsewhere; a cache could show what is no longer so.
    return this.fetch(address, { method, headers: sent, body: text, signal, redirect: "error", cache: "no-store" });
  }
}

/** Aborts after a time, or when the caller does. */
class Timer {
  private readonly controller = new AbortController();
  private timeout: ReturnType<typeof setTimeout> | undefined;
  private readonly abort = (): void => this.controller.abort(this.outer?.reason);

  constructor(private readonly outer: AbortSignal | undefined) {
    outer?.addEventListener("abort", this.abort, { once: true });
    if (outer?.aborted) this.abort();
  }

  get signal(): AbortSignal {
    return this.controller.signal;
  }

  start(milliseconds: number): void {
    clearTimeout(this.timeout);
    this.timeout = setTimeout(() => this.controller.abort(new DOMException("no answer in time", "TimeoutError")), milliseconds);
  }

  /** Ends the request as well, if it still runs. */
  end(): void {
    clearTimeout(this.timeout);
    this.outer?.removeEventListener("abort", this.abort);
    this.controller.abort();
  }
}

/** Until the signal ends it. Node's fetch forgets its signal once the request is collected (nodejs/undici#3644), and would
 * hold the connection for ever: so the reader is told as well. */
async function* chunks(response: Response, signal: AbortSignal): AsyncGenerator<Uint8Array, void, void> {
  const reader = response.body?.getReader();
  if (reader === undefined) return;
  const stop = (): void => void reader.cancel(signal.reason).catch(() => undefined);
  signal.addEventListener("abort", stop, { once: true });
  try {
    for (let read = await reader.read(); !read.done; read = await reader.read()) yield read.value;
    signal.throwIfAborted();
  } finally {
    signal.removeEventListener("abort", stop);
    stop();
  }
}

async function whole(response: Response, signal: AbortSignal): Promise<string> {
  const decoder = new TextDecoder();
  let [text, size] = ["", 0];
  for await (const chunk of chunks(response, signal)) {
    size += chunk.length;
    if (size > MAX_ANSWER) throw new Stranger(`an answer of more than ${MAX_ANSWER} bytes is none of a gateway's`);
    text += decoder.decode(chunk, { stream: true });
  }
  return text + decoder.decode();
}

function parsed(text: string, status: number): unknown {
  if (text === "") return undefined;
  try {
    return JSON.parse(text) as unknown;
  } catch {
    throw new Stranger(`what answers there is no keygw gateway (status ${status})`);
  }
}

function unreachable(error: unknown, { method, signal }: Exchange): unknown {
  // What the caller has ended is no failure: it gets its own reason back.
  if (error instanceof KeygwError || signal?.aborted) return error;
  const why = error instanceof Error ? error.name : "unknown";
  return new Unreachable(`the gateway cannot be reached (${why})`, true, method !== "GET", { cause: error });
}
