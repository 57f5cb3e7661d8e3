/** The account that an entry names: uid and groups, as the kernel pinned them. */
import type { ClientEvidence, ProcessFacts } from "../clients.ts";
import { absent, type Fact, isKnown } from "../fact.ts";
import { differs, type Finding, mismatch, need, together } from "./worth.ts";

/** Sets of numbers; each set must hold one of the peer's. */
export interface AccountPattern {
  /** Never empty: an entry that names no user means the guard's own. */
  readonly uids: readonly ReadonlySet<number>[];
  readonly gids: readonly ReadonlySet<number>[];
}

interface Account {
  readonly uid: Fact<number>;
  readonly gid: Fact<number>;
  readonly groups: Fact<readonly number[]>;
}

/** Transports on which the kernel names the peer: there nothing else may stand in for its word. */
const PINNED: ReadonlySet<string> = new Set(["unix", "stdio-socket"]);

/** The peer's account: the kernel's word where there is one, else that of the process that was found. */
export function accountOf({ transport, credentials, process }: ClientEvidence): Account {
  const facts: ProcessFacts | undefined = "absent" in process ? undefined : process;
  const nobody = absent("nobody-measured");
  const groups = facts?.groups ?? nobody;
  if (!isKnown(credentials)) {
    if (facts === undefined || PINNED.has(transport)) return { uid: credentials, gid: credentials, groups };
    return { uid: facts.uid, gid: facts.gid, groups };
  }
  const { grade, value } = credentials;
  return {
    uid: agreed({ value: value.uid, grade }, facts?.uid, "uid-changed"),
    gid: agreed({ value: value.gid, grade }, facts?.gid, "gid-changed"),
    groups,
  };
}

/** Somebody who changed its account since it connected has none that could be relied upon. */
function agreed(pinned: Fact<number>, now: Fact<number> | undefined, code: string): Fact<number> {
  if (now === undefined || !isKnown(now) || !isKnown(pinned)) return pinned;
  return now.value === pinned.value ? pinned : absent(code);
}

/** Whether the peer's account is one that the entry names. */
export function matchAccount(pattern: AccountPattern, account: Account): Finding {
  let finding = need(account.uid, "its user", (uid) => pattern.uids.every((set) => set.has(uid)));
  for (const set of pattern.gids) finding = together(finding, matchGroup(set, account));
  return finding;
}

/** The primary group first: the others may be unknown. */
function matchGroup(set: ReadonlySet<number>, { gid, groups }: Account): Finding {
  const primary = need(gid, "its group", (id) => set.has(id));
  if (!differs(primary)) return primary;
  const others = need(groups, "its groups", (ids) => ids.some((id) => set.has(id)));
  return differs(others) && isKnown(groups) ? mismatch("it is in none of the groups") : others;
}

/** Whether the account alone could be admitted. Groups are in doubt, since they are not asked for yet: true. */
export function mayBe(pattern: AccountPattern, uid: number): boolean {
  return pattern.uids.every((set) => set.has(uid));
}
