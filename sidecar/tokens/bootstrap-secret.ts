/**
 * The one-time secret that earns a session: shown once, it is burned.
 *
 * Trusts whoever can read where it was put. Defends against: guessing, timing, a second use, two that race for it.
 * Leaves to others: whether whoever shows it is let in at all. It is needed beside that, and never sufficient.
 */
import type { Buffer } from "node:buffer";
import { createHash, randomBytes, timingSafeEqual } from "node:crypto";
import { GuessLimit } from "./guess-limit.ts";

/** Where the secret was put for the rightful client. */
export interface BootstrapPlace {
  /** Takes it away again. Called at most once; never throws. */
  remove(): void;
}

/** Who shows it. */
export interface Claimant {
  /** The session that would be earned. */
  readonly sid: string;
  /** One name for all that one process tries: guesses are counted by it. */
  readonly process: string;
}

export type BootstrapOutcome =
  /** It is right, and burned from here on. */
  | { readonly outcome: "earned" }
  /** It is right, and this same session earned it before. */
  | { readonly outcome: "again" }
  /** It is wrong. Nothing is burned. */
  | { readonly outcome: "wrong" }
  /** Too many guesses: it was not even compared. */
  | { readonly outcome: "limited" }
  /** It is right and was burned by another session: two hold it, so the session that it earned ends. */
  | { readonly outcome: "stolen"; readonly earnedBy: string };

const BYTES = 32;

export class BootstrapSecret {
  // Only its digest is kept: nobody reads it out of our memory, and texts of every length compare in one time.
  readonly #digest: Buffer;
  readonly #guesses: GuessLimit;
  #place: BootstrapPlace | undefined;
  #earnedBy: string | undefined;

  /**
   * Makes a secret and has it put where the rightful client finds it.
   *
   * @param put Gets the 43 characters (base64url of 32 random bytes), once.
   * @param now Monotonic milliseconds.
   */
  constructor(put: (text: string) => BootstrapPlace, now: () => number) {
    const text = randomBytes(BYTES).toString("base64url");
    this.#digest = digest(text);
    this.#guesses = new GuessLimit(now);
    this.#place = put(text);
  }

  /** Compares, in one time whatever is shown. Of any number that show the right one, the first earns it. */
  show(text: string, { sid, process }: Claimant): BootstrapOutcome {
    if (!this.#guesses.allows(process)) return { outcome: "limited" };
    if (!timingSafeEqual(digest(text), this.#digest)) {
      this.#guesses.count(process);
      return { outcome: "wrong" };
    }
    // A client that probed with `server/discover` and falls back shows it in both openings.
    if (this.#earnedBy === sid) return { outcome: "again" };
    if (this.#earnedBy !== undefined) return { outcome: "stolen", earnedBy: this.#earnedBy };
    this.#earnedBy = sid;
    this.close();
    return { outcome: "earned" };
  }

  /** Takes it away from where it was put, burned or not. */
  close(): void {
    const place = this.#place;
    this.#place = undefined;
    place?.remove();
  }
}

function digest(text: string): Buffer {
  return createHash("sha256").update(text, "utf8").digest();
}
