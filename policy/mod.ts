/** The policy language: text in, decisions out. Pure: no I/O, no clock, no runtime. See README.md. */
export type {
  Admission,
  AdmissionWorld,
  ClientEvidence,
  Clients,
  ExecutableFacts,
  ProcessFacts,
  RuntimeKind,
  ScriptFacts,
  TrustedDigest,
  WantedFact,
} from "./clients.ts";
export type { Decision, DecisionReason, PolicyRequest, RequestedThing, ServerFeature } from "./decision.ts";
export { InexactNumber } from "./decision.ts";
export type {
  AuditSection,
  DescribedProgram,
  Explanation,
  LoadResult,
  Policy,
  PolicyContext,
  Problem,
  ServerSection,
  SessionSection,
  ToolDefinition,
} from "./policy.ts";
export { loadPolicy } from "./load.ts";
export { stricter } from "./stricter.ts";
export { policySchema } from "./text/schema.ts";
