/**
 * Which log messages of a shared server go to whom. The server is told the most verbose level that any peer asked for;
 * a peer that asked for none hears none: what a server logs may speak of what others do.
 */
import type { Share } from "./share.ts";

/** RFC 5424, as MCP names them, the most verbose first. */
const LEVELS = ["debug", "info", "notice", "warning", "error", "critical", "alert", "emergency"] as const;

export class LogLevels {
  readonly #levels = new Map<Share, number>();
  /** What the server was told last; undefined when that is not known. */
  #inForce: number | undefined;

  /** @returns Its place among the levels; undefined for a word that is none. */
  static parse(word: string | undefined): number | undefined {
    const index = (LEVELS as readonly (string | undefined)[]).indexOf(word);
    return index < 0 ? undefined : index;
  }

  hears(share: Share, word: string | undefined): boolean {
    const level = LogLevels.parse(word);
    const asked = this.#levels.get(share);
    return level !== undefined && asked !== undefined && level >= asked;
  }

  /** @returns The level that the server must be told, as a word; undefined when it has that already. */
  set(share: Share, level: number): string | undefined {
    this.#levels.set(share, level);
    return this.#change();
  }

  /** The server refused a level: nobody knows what it has now. */
  refused(share: Share): void {
    this.#levels.delete(share);
    this.#inForce = undefined;
  }

  /** @returns As `set`. */
  leave(share: Share): string | undefined {
    return this.#levels.delete(share) ? this.#change() : undefined;
  }

  #change(): string | undefined {
    // Nobody listens: the server need not be told, and there is no level for "nothing".
    if (this.#levels.size === 0) return undefined;
    const wanted = Math.min(...this.#levels.values());
    if (wanted === this.#inForce) return undefined;
    this.#inForce = wanted;
    return LEVELS[wanted];
  }
}
