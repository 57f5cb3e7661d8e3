import { openAnchor } from "./anchor.ts";
import type { AuditLog } from "./audit-log.ts";
import { ChainedLog } from "./chained-log.ts";
import { type OpenAppendFile, openAppendFile } from "./file/append-file.ts";
import { inspectTail } from "./file/tail.ts";
import { type AuditClock, systemClock } from "./record/clock.ts";
import { KEYED_DIGEST } from "./record/keyed-digest.ts";
import { boundedQuote, detailText } from "./record/text.ts";
import { unwritable } from "./unwritable.ts";
import { UnwritableLog } from "./unwritable-log.ts";

/** What {@linkcode openAuditLog} needs: where the log is, how safe it must be, and what its start record says. */
export interface AuditLogOptions {
  /** The log's path; see `defaultAuditFile`. */
  readonly file: string;
  /** `buffered`: in the kernel before the message goes on. `group`: on the disk within 5 ms or 64 records, too. */
  readonly durability: "buffered" | "group";
  /** False where the policy says `audit.on_failure: continue`. */
  readonly mandatory: boolean;
  /** The guarded server, as every record names it. */
  readonly serverName: string;
  /** Undefined when there is no policy. */
  readonly policyName: string | undefined;
  /** sha256 of the policy file, in every record; undefined when there is no policy. */
  readonly policyDigest: string | undefined;
  /** The guard's own version. */
  readonly version: string;
  /** The policy's variables and what they stood for; in the start record. */
  readonly variables?: Readonly<Record<string, string>>;
  /** Where heads go: a path, a descriptor (it stays the caller's), or nowhere. @default {`<file>.anchor`} */
  readonly anchor?: string | number | false;
  /** Where the times of records come from. @default {the system's clocks} */
  readonly clock?: AuditClock;
  /** Seam for tests that need a disk with faults. */
  readonly open?: OpenAppendFile;
}

/** A log with its start record written, or the stand-in that {@linkcode openAuditLog} speaks of. */
export interface OpenedAuditLog {
  /** Whoever opened it closes it: a chain without a stop record counts as unproven. */
  readonly log: AuditLog;
  /** Sentences for stderr: what the last crash left, or why there is no log. */
  readonly notices: readonly string[];
}

/**
 * Opens the audit log for one guard instance and begins its chain.
 *
 * The start record is in the kernel when this returns. Several guards may have the same file open. Where the log is not
 * mandatory and cannot be opened, the log that is returned throws at every flush: whoever goes on does so knowingly.
 *
 * @throws {GuardError} `ERR_AUDIT_UNWRITABLE` when the log is mandatory and cannot be opened, written or kept safe.
 *
 * @example
 * const { log, notices } = openAuditLog({ file: defaultAuditFile("files"), durability: "buffered", … });
 * log.append({ type: "notice", detail: { hello: "world" } });
 * log.flush();
 * log.close("stdin ended");
 */
export function openAuditLog(options: AuditLogOptions): OpenedAuditLog {
  try {
    return openChain(options);
  } catch (error) {
    const reason = unwritable(`open the audit log "${options.file}"`, error);
    if (options.mandatory) throw reason;
    return { log: new UnwritableLog(reason), notices: [`No audit log is kept: ${reason.message}`] };
  }
}

function openChain(options: AuditLogOptions): OpenedAuditLog {
  const open = options.open ?? openAppendFile;
  const clock = options.clock ?? systemClock();
  const file = open(options.file);
  try {
    const tail = inspectTail(file);
    const target = options.anchor ?? `${file.path}.anchor`;
    const anchor = target === false ? undefined : openAnchor(target);
    const { durability, mandatory } = options;
    const server = boundedQuote(options.serverName);
    const context = (digest: string | undefined) => `,"policy":${optional(digest)},"server":${server}`;
    const facts = `,"detail":${detailText(startFacts(options, clock))}`;
    try {
      const { policyDigest } = options;
      const how = { open, mandatory, durability, clock };
      const log = new ChainedLog({ ...how, file, tail, anchor, policyDigest, context, facts });
      return {
        log,
        notices: tail.fragment === undefined ? [] : [crashNotice(file.path, tail.fragment.bytes)],
      };
    } catch (error) {
      anchor?.close();
      throw error;
    }
  } catch (error) {
    file.close();
    throw error;
  }
}

function startFacts(options: AuditLogOptions, clock: AuditClock): Record<string, unknown> {
  return {
    version: options.version,
    policy_name: options.policyName,
    variables: options.variables ?? {},
    pid: process.pid,
    uid: process.geteuid?.(),
    clock: clock.source,
    args_digest: KEYED_DIGEST,
    durability: options.durability,
    mandatory: options.mandatory,
  };
}

function crashNotice(path: string, bytes: number): string {
  return `The audit log "${path}" ended in ${bytes} bytes of a record that a crash cut off; ` +
    `the log goes on behind it and says so`;
}

function optional(text: string | undefined): string {
  return text === undefined ? "null" : boundedQuote(text);
}
