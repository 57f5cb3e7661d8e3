/** What commands, examples and embedders may use of the sidecar. */
export { ERROR_CODES, GuardError, type GuardErrorCode, messageOf } from "./model/errors.ts";

// Evidence and the system it comes from.
export { attestProcess, type ProcessAttestation } from "./attest/attest-process.ts";
export { isRootsAlone } from "./attest/roots-alone.ts";
export { attestStdio } from "./attest/attest-stdio.ts";
export { principalOf } from "./attest/principal.ts";
export type { ExecutableEvidence, Fact, Lineage, PeerEvidence, ProcessEvidence } from "./model/evidence.ts";
export { createDigests, type Digests } from "./platform/digests.ts";
export { examineSystem, type Finding } from "./platform/examine/examine.ts";
export { openPlatform } from "./platform/open-platform.ts";
export { auditFolder, defaultAuditFile } from "./audit/file/safe-path.ts";
export { guard, type GuardOptions } from "./sidecar.ts";

// Guards that run: their sessions, and their policies.
export {
  endSession,
  type GuardOverview,
  type PolicyOverview,
  type ReloadAnswer,
  reloadPolicy,
  type RunningGuard,
  runningGuards,
  type SessionOverview,
} from "./running-guards.ts";

// The audit log: written, proven, shown.
export { type AuditLogOptions, openAuditLog, type OpenedAuditLog } from "./audit/open-audit-log.ts";
export { AuditReader } from "./audit/reading/audit-reader.ts";
export type {
  AuditReport,
  ChainEnd,
  ChainReport,
  Finding as AuditFinding,
  FindingKind as AuditFindingKind,
} from "./audit/reading/report.ts";
export type { LoggedRefusal } from "./audit/reading/logged-refusal.ts";
export { readRefusedPeers, type RefusedPeers } from "./audit/reading/refused-peers.ts";
export { LogLine, type RecordFilter, type ShownRecord } from "./audit/reading/show.ts";
export { verifyAuditFile } from "./audit/reading/verify.ts";
export { visible } from "./audit/reading/visible.ts";

// Policy files: trusted, read, loaded.
export {
  type ExaminedPolicy,
  examinePolicyFile,
  formatProblem,
  type LoadedPolicy,
  loadPolicyFile,
  type PolicyFileOptions,
} from "./config/policy-file.ts";

// Programs and clients, as policies judge them.
export { relayingCommand } from "../policy/admit/program-names.ts";
export type { AdmissionWorld, Clients, RuntimeKind } from "../policy/mod.ts";

// The trust file: what people accepted by digest.
export { meaningOfProgram, type ProgramMeaning } from "./config/trust/program-meaning.ts";
export { examineTrustFile } from "./config/trust/examine-trust-file.ts";
export { changeTrustFile } from "./config/trust/trust-file-change.ts";
export {
  isTrustName,
  MAX_NOTE,
  type TrustEntries,
  type TrustRecord,
} from "./config/trust/trust-file-format.ts";
export { defaultTrustFile, readTrustFile } from "./config/trust/trust-file.ts";
export { type ControllingTerminal, openControllingTerminal } from "./platform/controlling-terminal.ts";

// Arguments as rules see them: numbers that no double holds stand out.
export { parseValue } from "./relay/json-values.ts";
