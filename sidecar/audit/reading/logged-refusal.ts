/** A peer that was refused, as its record tells it. A fact that could not be had is undefined, as is a wrong one. */
export interface LoggedRefusal {
  /** UTC, as ISO 8601. */
  readonly time: string;
  /** What the peer was told. */
  readonly refusal: string | undefined;
  /** `ERR_PEER_REFUSED` where the policy's entries did not match. */
  readonly code: string;
  readonly reasons: readonly string[];
  /** Refusals of the same account that were only counted, since they came too fast. */
  readonly unrecorded: number;
  readonly transport: string | undefined;
  /** Of the time of the refusal: by now the number may be another process's. */
  readonly pid: number | undefined;
  readonly uid: number | undefined;
  /** Where the program was started from. A name, and no evidence. */
  readonly path: string | undefined;
  readonly sha256: string | undefined;
  readonly grade: string | undefined;
  /** The kind of program, as its bytes say. */
  readonly kind: string | undefined;
  readonly scriptSha256: string | undefined;
  /** Digests of its ancestors, nearest first; undefined for one that had none. */
  readonly lineage: readonly (string | undefined)[];
}

type Members = Readonly<Record<string, unknown>>;

const DIGEST = /^[0-9a-f]{64}$/;
const TIME = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z$/;
const WORD = /^[A-Za-z0-9_-]{1,64}$/;

/** Reads a `peer-refused` record. @returns undefined when it is not what a guard writes. */
export function parseRefusal(line: string): LoggedRefusal | undefined {
  let record: unknown;
  try {
    record = JSON.parse(line);
  } catch {
    return undefined; // Sealed, but not by us.
  }
  const { time, detail, who } = membersOf(record);
  const { code, reasons, refusal, unrecorded, evidence } = membersOf(detail);
  const known = membersOf(evidence);
  if (!matches(time, TIME) || !matches(code, WORD)) return undefined;
  if (!Array.isArray(reasons) || !reasons.every((each) => typeof each === "string")) return undefined;
  return {
    time,
    code,
    reasons,
    refusal: matches(refusal, WORD) ? refusal : undefined,
    unrecorded: wholeNumber(unrecorded) ?? 0,
    kind: matches(known["kind"], WORD) ? known["kind"] : undefined,
    scriptSha256: matches(known["script_sha256"], DIGEST) ? known["script_sha256"] : undefined,
    ...identityOf(membersOf(who)),
  };
}

function identityOf({ transport, pid, uid, executable, lineage }: Members) {
  const { path, sha256, sha256_grade, grade = sha256_grade } = membersOf(executable);
  const ancestors: readonly unknown[] = Array.isArray(lineage) ? lineage : [];
  return {
    transport: matches(transport, WORD) ? transport : undefined,
    pid: wholeNumber(pid),
    uid: wholeNumber(uid),
    path: typeof path === "string" ? path : undefined,
    sha256: digest(sha256),
    grade: matches(grade, WORD) ? grade : undefined,
    lineage: ancestors.map((ancestor) => digest(membersOf(ancestor)["sha256"])),
  };
}

function membersOf(value: unknown): Members {
  return typeof value === "object" && value !== null ? value as Members : {};
}

function matches(value: unknown, form: RegExp): value is string {
  return typeof value === "string" && form.test(value);
}

function digest(value: unknown): string | undefined {
  return matches(value, DIGEST) ? value : undefined;
}

function wholeNumber(value: unknown): number | undefined {
  return Number.isSafeInteger(value) && (value as number) >= 0 ? value as number : undefined;
}
