/**
 * The opening of a session, where MCP's two eras meet. The guard translates nothing: it relays the opening and lets the
 * client fall back, and sees to it that a legacy server survives a modern client's probe.
 *
 * - A server that exits on `server/discover`: the probe is answered -32601 and the server started anew.
 * - One that has read the probe and stays silent, or a client that does not wait for the answer: the probe is answered
 *   -32601, the server kept, its late answer dropped. It is started anew only if it then ignores `initialize` too.
 */
import type { Buffer } from "node:buffer";
import { monotonicMs } from "../platform/monotonic.ts";
import type { RpcId } from "./pending.ts";

/** How long a server that has read an opening may be silent. */
const SILENCE_MS = 2000;
const LOOK_EVERY_MS = 100;

export interface OpeningActions {
  /** Tells the peer that its probe is of no known method. */
  readonly declineProbe: (id: RpcId) => void;
  /** Starts the server anew and sends it this first. */
  readonly respawn: (replay: Buffer | undefined) => void;
  /** Bytes that the server has not read yet; undefined when the kernel cannot tell. */
  readonly unreadInput: () => number | undefined;
}

export class Opening {
  readonly #actions: OpeningActions;
  #probe: RpcId | undefined;
  #initialize: Buffer | undefined;
  /** A probe that we answered in the server's place. */
  #declined: RpcId | undefined;
  #respawned = false;
  #silentSince: number | undefined;
  #timer: ReturnType<typeof setInterval> | undefined;

  constructor(actions: OpeningActions) {
    this.#actions = actions;
  }

  /** `server/discover` is being forwarded. */
  probed(id: RpcId): void {
    this.#probe = id;
    this.#watch();
  }

  /** `initialize` is being forwarded, after a probe or not. */
  initialized(line: Buffer): void {
    if (this.#probe !== undefined) this.#decline();
    if (this.#declined === undefined || this.#respawned) return this.close();
    this.#initialize = line;
    this.#watch();
  }

  /** The server answered an opening: whatever it said, it lives. */
  answered(): void {
    this.#initialize = undefined;
    this.#probe = undefined;
    this.close();
  }

  /** @returns Whether this is the answer to a probe that the peer was already given one for: nobody waits for it. */
  answeredLate(id: RpcId): boolean {
    if (this.#declined !== id) return false;
    this.answered();
    return true;
  }

  /** @returns Whether the exit was the probe's doing, and the server is being started anew. */
  upstreamExited(): boolean {
    if (this.#respawned || (this.#probe === undefined && this.#initialize === undefined)) return false;
    this.#again();
    return true;
  }

  close(): void {
    clearInterval(this.#timer);
    this.#timer = undefined;
    this.#probe = undefined;
  }

  #watch(): void {
    clearInterval(this.#timer);
    this.#silentSince = undefined;
    this.#timer = setInterval(() => this.#look(), LOOK_EVERY_MS);
    this.#timer.unref();
  }

  #look(): void {
    const unread = this.#actions.unreadInput();
    // Servers started through npx take seconds: silence counts only once the opening was read.
    if (unread !== undefined && unread > 0) return;
    const now = monotonicMs();
    this.#silentSince ??= now;
    if (now - this.#silentSince < SILENCE_MS) return;
    if (this.#probe !== undefined) {
      this.#decline();
      this.close();
    } else if (this.#initialize !== undefined) this.#again();
  }

  #decline(): void {
    const id = this.#probe;
    this.#probe = undefined;
    if (id === undefined) return;
    this.#declined = id;
    this.#actions.declineProbe(id);
  }

  #again(): void {
    this.#respawned = true;
    const replay = this.#initialize;
    this.#initialize = undefined;
    this.#decline();
    this.close();
    this.#actions.respawn(replay);
  }
}
