/** Who hears of which resource. The server is asked by the first who wants to, and told by the last who does no more. */
import type { Share } from "./share.ts";

/** Resources that one peer may hear of. */
const MOST_URIS = 1024;

export class Subscriptions {
  readonly #shares = new Map<string, Set<Share>>();
  readonly #counts = new Map<Share, number>();

  /** Whether anybody hears of it, so that the server was asked. */
  isHeld(uri: string): boolean {
    return this.#shares.has(uri);
  }

  isFull(share: Share): boolean {
    return (this.#counts.get(share) ?? 0) >= MOST_URIS;
  }

  add(share: Share, uri: string): void {
    let shares = this.#shares.get(uri);
    if (shares === undefined) this.#shares.set(uri, shares = new Set());
    if (shares.has(share)) return;
    shares.add(share);
    this.#counts.set(share, (this.#counts.get(share) ?? 0) + 1);
  }

  /** @returns Whether it was the last one: the server is to be told. */
  remove(share: Share, uri: string): boolean {
    const shares = this.#shares.get(uri);
    if (shares === undefined || !shares.delete(share)) return false;
    this.#counts.set(share, (this.#counts.get(share) ?? 1) - 1);
    if (shares.size > 0) return false;
    this.#shares.delete(uri);
    return true;
  }

  /** @returns The URIs that nobody hears of any more. */
  leave(share: Share): string[] {
    const last: string[] = [];
    for (const uri of this.#shares.keys()) {
      if (this.remove(share, uri)) last.push(uri);
    }
    this.#counts.delete(share);
    return last;
  }

  /**
   * Who hears of a change: who subscribed to this URI, or to one that it lies under (MCP: what was updated may be a
   * part of what was subscribed to).
   */
  hearers(uri: string): ReadonlySet<Share> {
    const all = new Set<Share>(this.#shares.get(uri));
    for (let at = uri.indexOf("/"); at >= 0; at = uri.indexOf("/", at + 1)) {
      for (const share of this.#shares.get(uri.slice(0, at)) ?? []) all.add(share);
      for (const share of this.#shares.get(uri.slice(0, at + 1)) ?? []) all.add(share);
    }
    return all;
  }
}
