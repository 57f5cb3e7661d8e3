/**
 * The one process that all sessions of a guard share: started for the first of them, and again for the first that comes
 * after it ended. It goes on when the last session leaves: what it keeps in memory is why it is shared.
 */
import { GuardError } from "../../model/errors.ts";
import type { LaunchedUpstream } from "../../upstream/launch-options.ts";
import type { StopCause, UpstreamExit } from "../../upstream/upstream.ts";
import type { Share, ShareMember } from "./share.ts";
import { SharedChild } from "./shared-child.ts";

export interface SharedServerOptions {
  readonly launch: () => Promise<LaunchedUpstream>;
  /** Longest line of the server's, in bytes. */
  readonly longestLine: number;
  /** For the audit log: these are no session's. */
  readonly record: (
    type: "upstream-noise" | "upstream-exit",
    detail: Readonly<Record<string, unknown>>,
  ) => void;
}

/** Lines of one process that are for nobody and get a record each; the rest are counted. */
const NOISE_RECORDS = 20;

export class SharedServer {
  readonly #options: SharedServerOptions;
  #child: Promise<SharedChild> | undefined;
  #stopping: StopCause | undefined;

  constructor(options: SharedServerOptions) {
    this.#options = options;
  }

  /** @throws What `launch` throws, and whoever comes next tries again; `ERR_UPSTREAM_LAUNCH` once it was stopped. */
  async join(member: ShareMember): Promise<Share> {
    for (;;) {
      this.#refuseWhenStopping();
      const starting = this.#child ??= this.#start();
      const child = await starting;
      this.#refuseWhenStopping();
      if (child.usable) return child.join(member);
      // Two processes of a server that keeps a state must not run at once.
      await child.exited;
      if (this.#child === starting) this.#child = undefined;
    }
  }

  /** Ends the process, if there is one; a second call climbs the ladder. */
  async stop(cause: StopCause): Promise<void> {
    this.#stopping ??= cause;
    const child = await this.#child?.catch(() => undefined);
    await child?.stop(cause);
  }

  #refuseWhenStopping(): void {
    if (this.#stopping === undefined) return;
    throw new GuardError("ERR_UPSTREAM_LAUNCH", "Cannot start the server: the guard is being stopped");
  }

  async #start(): Promise<SharedChild> {
    let launched: LaunchedUpstream;
    try {
      launched = await this.#options.launch();
    } catch (error) {
      this.#child = undefined;
      throw error;
    }
    let noise = 0;
    const child = new SharedChild(launched, {
      longestLine: this.#options.longestLine,
      noise: (what, bytes) => {
        if (++noise <= NOISE_RECORDS) this.#options.record("upstream-noise", { what, bytes });
      },
    });
    void child.exited.then((exit) => this.#recordExit(launched.pid, exit, noise));
    return child;
  }

  #recordExit(pid: number, { code, signal, cause }: UpstreamExit, noise: number): void {
    this.#options.record("upstream-exit", {
      shared: true,
      pid,
      code: code ?? null,
      signal: signal ?? null,
      cause: cause ?? null,
      ...(noise > 0 ? { noise } : {}),
    });
  }
}
