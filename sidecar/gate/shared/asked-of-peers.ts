/** What the server asked of single peers and has no answer to: only who was asked may answer, once. */
import type { RpcId } from "../pending.ts";
import type { Share } from "./share.ts";

const MOST = 4096;

interface AskedOfPeer {
  readonly share: Share;
  /** The server's progress token as JSON text, if it wants to hear of progress. */
  readonly token: string | undefined;
}

export class AskedOfPeers {
  readonly #byId = new Map<RpcId, AskedOfPeer>();

  /** @returns false when there is no room, or the id belongs to a question that is still open. */
  add(id: RpcId, asked: AskedOfPeer): boolean {
    if (this.#byId.size >= MOST || this.#byId.has(id)) return false;
    this.#byId.set(id, asked);
    return true;
  }

  /** @returns Whether this peer was asked that. */
  take(share: Share, id: RpcId): boolean {
    return this.#byId.get(id)?.share === share && this.#byId.delete(id);
  }

  /** The server does not wait any more. @returns Who was asked. */
  withdraw(id: RpcId): Share | undefined {
    const share = this.#byId.get(id)?.share;
    this.#byId.delete(id);
    return share;
  }

  hasToken(share: Share, token: string): boolean {
    for (const asked of this.#byId.values()) {
      if (asked.share === share && asked.token === token) return true;
    }
    return false;
  }

  /** @returns The ids that this peer will not answer. */
  leave(share: Share): RpcId[] {
    const ids = [...this.#byId].flatMap(([id, asked]) => asked.share === share ? [id] : []);
    for (const id of ids) this.#byId.delete(id);
    return ids;
  }
}
