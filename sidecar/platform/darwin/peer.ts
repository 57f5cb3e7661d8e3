/**
 * Who is at the other end of a Unix socket. UNTESTED.
 *
 * LOCAL_PEERCRED is of whoever connected or made the pair, and never changes. LOCAL_PEERPID and LOCAL_PEERTOKEN are
 * made when asked for, of whoever used the other end last (XNU, bsd/kern/uipc_usrreq.c). So the two must be one
 * account, the token must be the same in all its bytes before and after a process is held, and who that is stays a
 * fact of now: nothing here says who sends the next byte.
 */
import { type Absent, absent, type Credentials, type Fact, known } from "../../model/evidence.ts";
import type { ProcessHandle } from "../platform.ts";
import { type DarwinCalls, LOCAL_PEERCRED, LOCAL_PEERPID, LOCAL_PEERTOKEN } from "./calls.ts";
import { holdProcess } from "./process-handle.ts";
import { type AuditToken, parseToken, parseXucred, TOKEN_BYTES, XUCRED_BYTES } from "./structures.ts";

export function peerCredentials(calls: DarwinCalls, fd: number): Fact<Credentials> {
  const peer = readPeer(calls, fd);
  return "absent" in peer ? peer : known(peer.credentials, "kernel");
}

export function peerProcess(calls: DarwinCalls, fd: number): ProcessHandle | undefined {
  const before = readPeer(calls, fd);
  if ("absent" in before) return undefined;
  const handle = holdProcess(calls, before.token.pid, before.token.version);
  const after = readPeer(calls, fd);
  if (handle !== undefined && "token" in after && before.bytes.equals(after.bytes) && handle.isAlive()) {
    return handle;
  }
  handle?.close();
  return undefined;
}

interface Peer {
  readonly credentials: Credentials;
  readonly token: AuditToken;
  readonly bytes: Buffer;
}

function readPeer(calls: DarwinCalls, fd: number): Peer | Absent {
  const account = option(calls, fd, { name: LOCAL_PEERCRED, size: XUCRED_BYTES });
  if ("absent" in account) return account;
  const bytes = option(calls, fd, { name: LOCAL_PEERTOKEN, size: TOKEN_BYTES });
  if ("absent" in bytes) return bytes;
  const last = option(calls, fd, { name: LOCAL_PEERPID, size: 4 });
  if ("absent" in last) return last;
  const connected = parseXucred(account);
  const token = parseToken(bytes);
  if (connected === undefined || token === undefined) return absent("peercred:malformed");
  if (last.readInt32LE(0) !== token.pid) return absent("peercred:pid-changed");
  const { uid, gid } = connected;
  // Whoever uses it now is another account than who made it: it was handed over, or its user has changed.
  if (token.euid !== uid || token.egid !== gid) return absent("peercred:account-changed");
  if (uid === 0xffffffff) return absent("peercred:uid-unmapped");
  return { credentials: { pid: token.pid, uid, gid }, token, bytes };
}

function option(
  calls: DarwinCalls,
  fd: number,
  { name, size }: { readonly name: number; readonly size: number },
): Buffer | Absent {
  const bytes = Buffer.alloc(size);
  const length = calls.peerOption(fd, name, bytes);
  if (length === size) return bytes;
  return absent(length < 0 ? `peercred:${calls.errno()}` : "peercred:malformed");
}
