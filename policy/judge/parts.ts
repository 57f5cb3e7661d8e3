import type { Clients } from "../clients.ts";
import type { AuditSection, ServerSection, SessionSection } from "../policy.ts";
import type { FixedSections, PromptSection, ResourceSection } from "./lists.ts";
import type { Rule } from "./rules.ts";
import type { TokenSection } from "../tokens.ts";

/** What the sections of a file were compiled to. */
export interface PolicyParts {
  readonly file: string;
  readonly name: string;
  readonly mode: "enforce" | "observe";
  readonly trustDomain: string;
  readonly expires: number | undefined;
  readonly server: ServerSection;
  readonly audit: AuditSection;
  readonly session: SessionSection;
  readonly tokens: TokenSection;
  readonly clients: Clients | undefined;
  readonly fallback: "allow" | "deny";
  readonly rules: readonly Rule[];
  readonly resources: ResourceSection;
  readonly prompts: PromptSection;
  readonly fixed: FixedSections;
}
