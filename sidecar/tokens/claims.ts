/**
 * What a token says: a JWT-SVID (SPIFFE JWT-SVID 1.0, RFC 7519) of one session of one process.
 */

/** The process that a token was made for, as far as it can be named. */
export interface PeerBinding {
  /** Inode of its pidfd: never given to another process of this boot. Undefined where the kernel has none (before 6.9). */
  readonly pidfdInode: string | undefined;
  /** sha256 of its executable, lower-case hex. Undefined where nobody asked, or it cannot be had. */
  readonly executableSha256: string | undefined;
}

/** Whom a token is made for. */
export interface TokenSubject {
  /** The session's id. */
  readonly sid: string;
  /** The principal's SPIFFE ID. */
  readonly id: string;
  readonly peer: PeerBinding;
}

/** The claims of a token whose signature, issuer and audience were found right. Times are in seconds of the epoch. */
export interface TokenClaims {
  readonly iss: string;
  /** The principal's SPIFFE ID. */
  readonly sub: string;
  /** The server's name. */
  readonly aud: string;
  readonly exp: number;
  readonly iat: number;
  readonly nbf: number | undefined;
  /** Of this one token. */
  readonly jti: string;
  /** The session that it was made for. */
  readonly sid: string;
  /** Digest of the policy under which it was made. */
  readonly policy: string;
  readonly cnf: PeerBinding;
}

/** Claims as they stand in a token (RFC 7800 for `cnf`, whose members are ours). */
export function confirmation({ pidfdInode, executableSha256 }: PeerBinding): Record<string, string> {
  return {
    ...(pidfdInode === undefined ? {} : { pidfd_inode: pidfdInode }),
    ...(executableSha256 === undefined ? {} : { exe_sha256: executableSha256 }),
  };
}

/** @returns Undefined unless every claim is there and of its type: a token of ours always has them. */
export function readClaims(payload: Readonly<Record<string, unknown>>): TokenClaims | undefined {
  const texts = ["iss", "sub", "aud", "jti", "sid", "policy"].map((name) => own(payload, name));
  const times = ["exp", "iat"].map((name) => own(payload, name));
  if (!texts.every((value) => typeof value === "string" && value !== "")) return undefined;
  if (!times.every((value) => Number.isSafeInteger(value))) return undefined;
  const nbf = own(payload, "nbf");
  if (nbf !== undefined && !Number.isSafeInteger(nbf)) return undefined;
  const cnf = readConfirmation(own(payload, "cnf"));
  if (cnf === undefined) return undefined;
  const [iss, sub, aud, jti, sid, policy] = texts as [string, string, string, string, string, string];
  const [exp, iat] = times as [number, number];
  return { iss, sub, aud, exp, iat, nbf: nbf as number | undefined, jti, sid, policy, cnf };
}

function readConfirmation(cnf: unknown): PeerBinding | undefined {
  if (typeof cnf !== "object" || cnf === null) return undefined;
  const pidfdInode = own(cnf, "pidfd_inode");
  const executableSha256 = own(cnf, "exe_sha256");
  if (!isTextOrNothing(pidfdInode) || !isTextOrNothing(executableSha256)) return undefined;
  return { pidfdInode, executableSha256 };
}

function own(object: object, name: string): unknown {
  return Object.hasOwn(object, name) ? (object as Record<string, unknown>)[name] : undefined;
}

function isTextOrNothing(value: unknown): value is string | undefined {
  return value === undefined || typeof value === "string";
}

/**
 * Whether the process that shows a token is the one it was made for. What the token names must be equal; what nobody
 * could name when it was made binds nothing.
 */
export function isSamePeer(bound: PeerBinding, shown: PeerBinding): boolean {
  return (bound.pidfdInode === undefined || bound.pidfdInode === shown.pidfdInode) &&
    (bound.executableSha256 === undefined || bound.executableSha256 === shown.executableSha256);
}
