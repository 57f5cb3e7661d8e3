/** Tokens at the HTTP doors of a guard: made once, when the first of them is opened. */
import type { Grant } from "./front/http/tokens/grant.ts";
import type { HttpTokens } from "./front/http/tokens/http-tokens.ts";
import type { Guard } from "./guard.ts";
import type { GuardTokens } from "./guard-tokens.ts";

/** @returns What makes them; it gives undefined where the policy speaks neither of tokens nor of the one-time secret. */
export function httpTokensOf(guard: Guard): () => Promise<HttpTokens | undefined> {
  let made: Promise<HttpTokens | undefined> | undefined;
  return () => made ??= guard.tokens === undefined ? Promise.resolve(undefined) : make(guard, guard.tokens);
}

async function make(guard: Guard, tokens: GuardTokens): Promise<HttpTokens> {
  const { HttpTokens } = await import("./front/http/tokens/http-tokens.ts");
  const { issuer, secret, stolen } = tokens.terms;
  const { log } = guard;
  return new HttpTokens({
    issuer,
    secret,
    stolen,
    section: tokens.section,
    maxAgeMs: () => guard.policy?.session.maxAgeMs,
    admission: () => ({ clients: guard.policy?.clients, world: guard.world }),
    began: (grant) => tokens.add(grant.id, grant),
    ended: (grant) => log.forget(grant.id),
    record: (grant, detail) => record(log, grant, detail),
  });
}

/** @throws {GuardError} `ERR_AUDIT_UNWRITABLE`, unless the policy lets go on what cannot be recorded. */
function record(log: Guard["log"], grant: Grant, detail: Readonly<Record<string, unknown>>): void {
  log.identify(grant.id, grant.holder.identity.identity);
  log.append({ type: "notice", session: grant.id, detail });
  try {
    log.flush();
  } catch (error) {
    if (log.mandatory) throw error;
  }
}
