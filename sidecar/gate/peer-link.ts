/**
 * The peer's side of a session: cuts what it sends into lines, and pauses it for whoever has a reason to.
 */
import type { PeerLoss, SessionStream } from "./admission/admitted-stream.ts";
import type { PeerLine } from "./peer-messages.ts";
import { splitLines } from "./split-lines.ts";
import { Valve } from "./valve.ts";

export interface PeerLinkEvents {
  /** A chunk came. @returns Its tick. */
  begin(): number;
  line(line: PeerLine): void;
  /** A line grew over the limit; `rpcId` is what could be read of its id, as JSON text. */
  tooLong(rpcId: string): void;
  /** Everything in the chunk was reported. */
  commit(): void;
  /** The peer sends no more; `halfLine` when it stopped in the middle of one. */
  saidAll(halfLine: boolean): void;
  /** The peer no longer reads. */
  gone(): void;
  /** It is no longer the peer that was admitted: what it sent and what it is owed goes nowhere. */
  lost(loss: PeerLoss): void;
  /** The peer has read what it was told. */
  drained(): void;
}

export class PeerLink {
  readonly valve: Valve;
  readonly #peer: SessionStream;
  #writes = true;
  /** The tick of the last chunk that was sent before the peer was measured. */
  #staleUntil = 0;

  constructor(peer: SessionStream) {
    this.#peer = peer;
    this.valve = new Valve(peer);
  }

  /** Whether the peer still takes what it is told. */
  get writes(): boolean {
    return this.#writes;
  }

  /** Bytes it has been told and not yet taken. */
  get unread(): number {
    return this.#writes ? this.#peer.buffered : 0;
  }

  listen(limit: number, events: PeerLinkEvents): void {
    const splitter = splitLines(limit, {
      // A line is as old as its first byte.
      line: (bytes, start, end, begun) =>
        events.line({ bytes, start, end, stale: begun <= this.#staleUntil }),
      tooLong: (rpcId) => events.tooLong(rpcId),
    });
    this.#peer.start({
      data: (chunk, fresh) => {
        const tick = events.begin();
        if (!fresh) this.#staleUntil = tick;
        splitter.push(chunk, tick);
        events.commit();
      },
      end: () => events.saidAll(splitter.finish()),
      error: () => {
        this.#writes = false;
        events.gone();
      },
      drain: () => events.drained(),
      lost: (loss) => {
        this.#writes = false;
        events.lost(loss);
      },
    });
  }

  /** Waits, at most this long, until the peer has taken what it was told; then closes. */
  async close(ms: number): Promise<void> {
    const until = Date.now() + ms;
    this.#peer.end();
    while (this.unread > 0 && Date.now() < until) await new Promise((resolve) => setTimeout(resolve, 5));
    this.#peer.destroy();
  }
}
