/** What the programs of this folder stand on: their surroundings, and how they say what they have seen. */

declare const process: {
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly stdout: { write(text: string): void };
  readonly stderr: { write(text: string): void };
};
declare const globalThis: { readonly gc: () => void };

/** Collect what nobody holds, now (`node --expose-gc`). */
export const { gc } = globalThis;

let seen = 0;

export function env(name: string): string | undefined {
  return process.env[name];
}

/** One case that holds, or an error that ends the program. It is told, so that one that hangs says after what. */
export function holds(what: string, fact: unknown): void {
  if (fact !== true) throw new Error(`does not hold: ${what}`);
  process.stderr.write(`${what}\n`);
  seen += 1;
}

/** The last word of a program that has found nothing wrong. */
export function done(more: object = {}): void {
  process.stdout.write(`${JSON.stringify({ cases: seen, ...more })}\n`);
}
