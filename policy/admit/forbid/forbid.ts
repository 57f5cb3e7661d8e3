/** `forbid`: selectors that a peer must not have. On doubt it has them. */
import type { ClientEvidence, WantedFact } from "../../clients.ts";
import { nearest } from "../../text/nearest.ts";
import { ancestorFact, NAMED, SELECTOR_FACTS, type SelectorFact } from "./selector-facts.ts";
import { compileWildcard } from "./wildcard.ts";

export interface Forbidden {
  /** The selector's type and key: they are the policy's to tell, the value could be the peer's. */
  readonly kind: string;
  readonly wants: WantedFact | undefined;
  /** Whether the peer has it, or it cannot be told that it has not. */
  fires(evidence: ClientEvidence): boolean;
}

/** Why a selector cannot be forbidden, and what to write instead. */
export interface Flaw {
  readonly flaw: string;
  readonly hint?: string;
}

type AccountId = (kind: "user" | "group", name: string) => number | undefined;

/** @param text `type:key:value`, in whose value `*` stands for anything. */
export function compileForbidden(text: string, accountId: AccountId): Forbidden | Flaw {
  const [, kind, value] = /^([^:]*:[^:]*):([^]*)$/.exec(text)!;
  const named = Object.hasOwn(NAMED, kind!) ? NAMED[kind!] : undefined;
  if (named !== undefined) return compileNamed(kind!, value!, named, accountId);
  const fact = factOf(kind!);
  if (fact === undefined) return unknownKind(kind!);
  const flaw = flawOf(value!, fact);
  return flaw === undefined ? makeForbidden(kind!, fact, value!, text) : { flaw };
}

function makeForbidden(kind: string, fact: SelectorFact, value: string, selector: string): Forbidden {
  const test = compileWildcard(value);
  const listed = compileWildcard(selector);
  return {
    kind,
    wants: fact.wants,
    // Facts of any grade count here, also those too weak to become a selector: what the peer could have written
    // itself may speak against it.
    fires: (evidence) => fact.values(evidence)?.some(test) !== false || evidence.selectors.some(listed),
  };
}

function factOf(kind: string): SelectorFact | undefined {
  const hop = /^chain:(0|[1-9][0-9]?)$/.exec(kind)?.[1];
  return hop === undefined ? SELECTOR_FACTS.get(kind) : ancestorFact(Number(hop));
}

function compileNamed(
  kind: string,
  name: string,
  [key, account]: readonly [string, "user" | "group"],
  accountId: AccountId,
): Forbidden | Flaw {
  if (name.includes("*")) {
    return { flaw: `a ${account}'s name cannot hold '*'`, hint: `Name each, or forbid '${key}:…'` };
  }
  const id = accountId(account, name);
  if (id === undefined) return { flaw: `there is no such ${account}`, hint: `Write its number: '${key}:…'` };
  return makeForbidden(kind, SELECTOR_FACTS.get(key)!, String(id), `${kind}:${name}`);
}

function unknownKind(kind: string): Flaw {
  const kinds = [...SELECTOR_FACTS.keys(), ...Object.keys(NAMED), "chain:0"];
  const near = nearest(kind, kinds);
  const hint = near === undefined ? `Known here: ${kinds.join(", ")}` : `Did you mean '${near}:…'?`;
  return { flaw: `'${kind}' is nothing that can be forbidden`, hint };
}

function flawOf(value: string, { form }: SelectorFact): string | undefined {
  const fine = (value.includes("*") ? form.wild : form.pattern).test(value);
  return fine ? undefined : `its value must be ${form.says}`;
}
