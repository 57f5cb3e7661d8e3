/**
 * Who may have a token at `/token`: whom an entry of the policy admits, and where the entry or the policy asks for it,
 * whoever of them shows the one-time secret first. The secret is needed beside the entry, and never sufficient.
 */
import { processName } from "../../../gate/access/peer-binding.ts";
import type { SessionIdentity } from "../../../audit/audit-log.ts";
import type { BootstrapOutcome } from "../../../tokens/bootstrap-secret.ts";
import type { PeerBinding } from "../../../tokens/claims.ts";
import { SocketPeer, TokenPeer } from "../loopback-peer.ts";
import { forbidden, invalidToken, type Problem, secretRefused, tooMany } from "../request/problem.ts";
import { type HttpPeer, ProcessPeer } from "../session/http-peer.ts";
import type { Grant } from "./grant.ts";
import type { Grants } from "./grants.ts";
import type { HttpTokensOptions } from "./options.ts";

export interface IssuedToken {
  readonly token: string;
  readonly seconds: number;
}

/** What a token is bound to whose bearer is its owner. */
export const UNBOUND: PeerBinding = { pidfdInode: undefined, executableSha256: undefined };
/** RFC 7519 counts in seconds. */
const SHORTEST_MS = 1000;

export class Issuing {
  readonly #options: HttpTokensOptions;
  readonly #grants: Grants;

  constructor(options: HttpTokensOptions, grants: Grants) {
    this.#options = options;
    this.#grants = grants;
  }

  /** @param secret What is shown as the one-time secret. */
  async issue(peer: HttpPeer, secret: string | undefined): Promise<IssuedToken | Problem> {
    const { clients, world } = this.#options.admission();
    if (peer.identity.clients !== clients && !await peer.identity.stillAdmitted(clients, world)) {
      return forbidden("Not admitted", "http:policy-changed");
    }
    const binding = await peer.binding() ?? UNBOUND;
    const identity = await peer.identity.complete();
    if (!peer.isCurrent()) return forbidden("Not admitted", "http:peer-gone");
    // At once: of two that show the secret, the second must find what the first has earned.
    const grant = this.#earn(peer, identity, secret);
    return "status" in grant ? grant : await this.#mint(grant, { id: identity.principal.id, peer: binding });
  }

  #earn(peer: HttpPeer, identity: SessionIdentity, secret: string | undefined): Grant | Problem {
    const grant = this.#grantOf(peer, identity);
    if (grant === undefined) return tooMany("Too many tokens are in use");
    const refused = this.#show(grant, peer, secret);
    const isNew = this.#grants.find(grant.id) === undefined;
    if (refused === undefined && isNew) this.#grants.keep(grant);
    if (refused !== undefined && isNew) grant.end();
    return refused ?? grant;
  }

  #grantOf(peer: HttpPeer, identity: SessionIdentity): Grant | undefined {
    if (peer instanceof TokenPeer) return peer.grant;
    if (peer instanceof ProcessPeer) return this.#grants.ofProcess(peer);
    if (!(peer instanceof SocketPeer) || !this.#grants.hasRoom(peer.key)) return undefined;
    return this.#grants.forBearer(peer.asHolder(identity, this.#options.admission));
  }

  /** @returns Why nothing is given. */
  #show(grant: Grant, { identity }: HttpPeer, text: string | undefined): Problem | undefined {
    const { secret, section } = this.#options;
    const needed = !grant.earned && (identity.bootstrap || section.issue === "bootstrap");
    if (text === undefined || secret === undefined) {
      return needed ? secretRefused(text === undefined ? "missing" : "wrong") : undefined;
    }
    const process = processName(identity.identity, grant.id);
    const shown = secret.show(text, { sid: grant.id, process });
    this.#note(grant, shown);
    return shown.outcome === "earned" || shown.outcome === "again" ? undefined : secretRefused(shown.outcome);
  }

  /** What counts for more than this one request. */
  #note(grant: Grant, shown: BootstrapOutcome): void {
    if (shown.outcome === "again") grant.earned = true;
    if (shown.outcome === "earned") {
      grant.earned = true;
      this.#options.record(grant, { bootstrap: "earned" });
    }
    if (shown.outcome === "stolen") {
      this.#options.stolen(shown.earnedBy);
      this.#options.record(grant, { bootstrap: "stolen" });
    }
  }

  async #mint(
    grant: Grant,
    subject: { readonly id: string; readonly peer: PeerBinding },
  ): Promise<IssuedToken | Problem> {
    const { issuer, section, record } = this.#options;
    const ms = grant.extend(section.ttlMs);
    const over = invalidToken("ERR_TOKEN_EXPIRED", "session-over");
    if (issuer === undefined || ms < SHORTEST_MS || !grant.isCurrent()) return over;
    const { token, claims } = await issuer.mint({ sid: grant.id, ...subject }, ms);
    // The secret was shown by another meanwhile, or the process is gone.
    if (!grant.isCurrent()) return over;
    record(grant, { token: "issued", jti: claims.jti });
    return { token, seconds: claims.exp - claims.iat };
  }
}
