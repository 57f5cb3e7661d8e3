/** What the guard has of tokens, for its HTTP doors. */
import type { TokenSection } from "../../../../policy/mod.ts";
import type { BootstrapSecret } from "../../../tokens/bootstrap-secret.ts";
import type { TokenIssuer } from "../../../tokens/issuer.ts";
import type { AdmissionNow } from "../loopback-peer.ts";
import type { Grant } from "./grant.ts";

export interface HttpTokensOptions {
  /** Undefined: no token is issued. */
  readonly issuer: TokenIssuer | undefined;
  /** Undefined: nobody can show the one-time secret. */
  readonly secret: BootstrapSecret | undefined;
  readonly section: Pick<TokenSection, "issue" | "ttlMs">;
  /** Two hold the secret. */
  readonly stolen: (earnedBy: string) => void;
  /** How long a session may last at most, of the policy that counts now. */
  readonly maxAgeMs: () => number | undefined;
  /** What admits at the moment. */
  readonly admission: AdmissionNow;
  /** A grant is found by its id from here on. */
  readonly began: (grant: Grant) => void;
  readonly ended: (grant: Grant) => void;
  /** @throws {GuardError} When it cannot be recorded, and what is not recorded may not be. */
  readonly record: (grant: Grant, detail: Readonly<Record<string, unknown>>) => void;
}
