/** `await new Keygw({ url, token }).command(vehicle, "unlock")`. */

import { Connection, type ConnectionOptions } from "./connection.js";
import { Problem, Stranger, Unreachable } from "./problem.js";
import type { Answer, Manners, Method, PathOf, Request, Schema, Wanted } from "./shapes.js";
import { EventReader } from "./sse.js";

export type Command = Schema<"CommandOut">;
export type NewCommand = Schema<"NewCommand">;

/** A CloudEvent (CloudEvents 1.0, JSON format). A gap (`keygw.gap`) has no position: read anew what `data` names. */
export interface KeygwEvent {
  readonly type: string;
  readonly source: string;
  readonly id?: string;
  readonly subject?: string;
  readonly time?: string;
  readonly data: Readonly<Record<string, unknown>>;
  /** Where it stands in the stream, for coming back behind it. */
  readonly position: string;
}

export interface EventOptions {
  /** Only this vehicle. */
  readonly vehicle?: string;
  /** The position of the last one that was seen. */
  readonly after?: string;
  /** Ends the stream quietly. */
  readonly signal?: AbortSignal;
  /** Called whenever the stream is there: from the first time on nothing is missed. */
  readonly opened?: () => void;
}

const TRIES = 3;
const PAUSE_MS = 250;
const LONGEST_PAUSE_MS = 30_000;

export class Keygw {
  private readonly connection: Connection;

  constructor(options: ConnectionOptions) {
    this.connection = new Connection(options);
  }

  /** Any route of the API, with the types of its document. Throws `KeygwError`: `Problem` for a refusal. */
  async ask<M extends Method, P extends PathOf<M>>(
    method: M,
    path: P,
    ...[request]: Wanted<Request<M, P>>
  ): Promise<Answer<M, P>> {
    const { path: names, query, body, wait, idempotencyKey, signal } = (request ?? {}) as Loose;
    const headers: Record<string, string> = {};
    if (idempotencyKey !== undefined) headers["Idempotency-Key"] = idempotencyKey;
    if (wait !== undefined) headers["Prefer"] = `wait=${wait}`;
    const told = await this.connection.ask({
      method: method.toUpperCase(),
      path: filled(path, names ?? {}) + asked(query ?? {}),
      body,
      headers,
      wait: (wait ?? 0) * 1000,
      signal,
    });
    return told as Answer<M, P>;
  }

  /** Ask the vehicle for something, and wait for its end, `wait` (10) seconds at most.
   *
   * Where the answer got lost it is asked for again under the same Idempotency-Key, so it is done once at most. Give
   * one of your own for a wish that is to survive the app. `settled` says whether `state` is final. */
  async command(vehicle: string, wish: NewCommand["action"] | NewCommand, manners: Manners = {}): Promise<Command> {
    const body: NewCommand = typeof wish === "string" ? { action: wish } : wish;
    const named = { wait: 10, idempotencyKey: crypto.randomUUID(), ...manners };
    for (let tried = 1; ; tried += 1) {
      try {
        const path = { vehicle_id: vehicle };
        return await this.ask("post", "/v1/vehicles/{vehicle_id}/commands", { path, body, ...named });
      } catch (error) {
        if (!(error instanceof Unreachable) || tried === TRIES) throw error;
        await pause(PAUSE_MS * 2 ** tried, manners.signal);
      }
    }
  }

  /** Everything that happens, for as long as it is read.
   *
   * A stream that is cut comes back where it was (`Last-Event-ID`), with growing pauses; what could not be kept comes
   * as a gap. A refusal ends it with its `Problem`: a token that was revoked, a vehicle that is not there. */
  async *events({ vehicle, after = "", signal, opened }: EventOptions = {}): AsyncGenerator<KeygwEvent, void, void> {
    const path = `/v1/events${asked({ vehicle })}`;
    let lastId = after;
    for (let failures = 0; !signal?.aborted; ) {
      const reader = new EventReader(lastId); // half an event is none
      const headers = { Accept: "text/event-stream", ...(lastId === "" ? {} : { "Last-Event-ID": lastId }) };
      try {
        for await (const chunk of this.connection.stream({ method: "GET", path, headers, signal })) {
          if (chunk.length === 0) opened?.();
          else failures = 0;
          for (const event of reader.feed(chunk)) {
            lastId = event.id;
            yield { ...cloudEvent(event.data), position: event.id };
          }
          lastId = reader.lastId;
        }
      } catch (error) {
        if (signal?.aborted) return;
        if (error instanceof RangeError) throw new Stranger(error.message);
        if (!(error instanceof Unreachable) && !(error instanceof Problem && error.retryable)) throw error;
        failures += 1;
      }
      await pause(Math.min(PAUSE_MS * 2 ** failures, LONGEST_PAUSE_MS) * (0.5 + Math.random() / 2), signal);
    }
  }
}

interface Loose extends Manners {
  readonly path?: Readonly<Record<string, string>>;
  readonly query?: Readonly<Record<string, unknown>>;
  readonly body?: unknown;
}

function filled(path: string, names: Readonly<Record<string, string>>): string {
  return path.replace(/\{(\w+)\}/g, (_, name: string) => {
    const value = names[name];
    if (value === undefined || value === "") throw new TypeError(`${path} wants ${name}`);
    return encodeURIComponent(value);
  });
}

function asked(query: Readonly<Record<string, unknown>>): string {
  const given = Object.entries(query).filter(([, value]) => value !== undefined && value !== null);
  const text = new URLSearchParams(given.map(([name, value]) => [name, String(value)])).toString();
  return text === "" ? "" : `?${text}`;
}

function cloudEvent(data: string): Omit<KeygwEvent, "position"> {
  try {
    return JSON.parse(data) as Omit<KeygwEvent, "position">;
  } catch {
    throw new Stranger("the gateway speaks another version of its API");
  }
}

/** Ends early when `signal` does; what waits then looks at it. */
function pause(milliseconds: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const done = (): void => {
      clearTimeout(timeout);
      signal?.removeEventListener("abort", done);
      resolve();
    };
    const timeout = setTimeout(done, milliseconds);
    signal?.addEventListener("abort", done, { once: true });
    if (signal?.aborted) done();
  });
}
