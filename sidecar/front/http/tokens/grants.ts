/** All grants of a guard's HTTP doors, bounded. */
import { Grant, type GrantHolder, type GrantTerms } from "./grant.ts";
import type { ProcessPeer } from "../session/http-peer.ts";

export interface GrantsOptions {
  readonly maxAgeMs: () => number;
  /** It is found by its id from here on. */
  readonly began: (grant: Grant) => void;
  readonly ended: (grant: Grant) => void;
}

/** Each may hold a process open. */
const MOST = 256;
/** Of one process or user: who has nothing to show but its account may ask as often as it likes. */
const MOST_OF_ONE = 32;
const SWEEP_MS = 1000;

export class Grants {
  readonly #options: GrantsOptions;
  /** In the order in which they were made. */
  readonly #all = new Map<string, Grant>();

  constructor(options: GrantsOptions) {
    this.#options = options;
    setInterval(() => this.#sweep(), SWEEP_MS).unref();
  }

  find(id: string): Grant | undefined {
    return this.#all.get(id);
  }

  *holders(): Iterable<GrantHolder> {
    for (const { holder } of this.#all.values()) yield holder;
  }

  /** A process's own, made when there is none. @returns Undefined when there is no room. */
  ofProcess(peer: ProcessPeer): Grant | undefined {
    for (const grant of this.#all.values()) {
      if (!grant.bearer && peer.isSame(grant.holder) && grant.isCurrent()) return grant;
    }
    if (!this.hasRoom(peer.key)) return undefined;
    peer.hold();
    const grant = new Grant(peer, this.#terms(false));
    this.keep(grant);
    return grant;
  }

  /** One that counts for nobody before it is kept. */
  forBearer(holder: GrantHolder): Grant {
    return new Grant(holder, this.#terms(true));
  }

  keep(grant: Grant): void {
    this.#all.set(grant.id, grant);
    this.#options.began(grant);
  }

  /** Makes room where there is none. What the one-time secret has earned makes way for nobody. */
  hasRoom(key: string): boolean {
    const all = [...this.#all.values()];
    const own = all.filter((grant) => grant.holder.key === key);
    if (own.length >= MOST_OF_ONE) return endOldest(own);
    return all.length < MOST || endOldest(all);
  }

  #terms(bearer: boolean): GrantTerms {
    return {
      bearer,
      maxAgeMs: this.#options.maxAgeMs(),
      onEnd: (grant) => {
        this.#all.delete(grant.id);
        this.#options.ended(grant);
      },
    };
  }

  #sweep(): void {
    for (const grant of this.#all.values()) grant.reconsider();
  }
}

function endOldest(grants: readonly Grant[]): boolean {
  const oldest = grants.find(({ earned }) => !earned);
  oldest?.end();
  return oldest !== undefined;
}
