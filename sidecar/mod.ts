/** What commands, examples and embedders may use of the sidecar. */
export { ERROR_CODES, GuardError, type GuardErrorCode, messageOf } from "./model/errors.ts";

// Evidence and the system it comes from.
export { attestProcess, type ProcessAttestation } from "./attest/attest-process.ts";
export { attestStdio } from "./attest/attest-stdio.ts";
export { principalOf } from "./attest/principal.ts";
export type { ExecutableEvidence, Fact, Lineage, PeerEvidence, ProcessEvidence } from "./model/evidence.ts";
export { createDigests, type Digests } from "./platform/digests.ts";
export { examineSystem, type Finding } from "./platform/examine/examine.ts";
export { openPlatform } from "./platform/open-platform.ts";
export { auditFolder } from "./audit/file/safe-path.ts";
export { type GuardOptions, guardStdio } from "./sidecar.ts";

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

// Arguments as rules see them: numbers that no double holds stand out.
export { parseValue } from "./relay/json-values.ts";
