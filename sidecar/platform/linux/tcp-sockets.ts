/**
 * Who is at the other end of a TCP connection of this machine, from /proc/net/tcp and tcp6 (proc_net_tcp(5)): the kernel
 * keeps no credentials for it, but every socket has a user and an inode.
 */
import { readdirSync, readFileSync, readlinkSync } from "node:fs";
import { isIPv4 } from "node:net";
import { absent, type Fact, known } from "../../model/evidence.ts";
import { errorCode } from "../native.ts";
import type { TcpConnection, TcpSocket } from "../platform.ts";

const ESTABLISHED = "01";
/** What a uid without a number in our user namespace reads as. */
const OVERFLOW_ID = 65534;

/** Found twice it is nobody's: the answer would depend on the order of a list. */
export function tcpPeer(connection: TcpConnection): Fact<TcpSocket> {
  let tables: readonly string[];
  try {
    tables = ["tcp", "tcp6"].map((name) => readTable(`/proc/self/net/${name}`));
  } catch (error) {
    return absent(`tcp-unreadable:${errorCode(error)}`);
  }
  const found = tables.flatMap((table) => findSockets(table, connection));
  const [socket] = found;
  if (socket === undefined || found.length !== 1) return absent(`tcp-sockets:${found.length}`);
  if (socket.uid === OVERFLOW_ID) return absent("tcp-uid-unmapped");
  return known(socket, "kernel");
}

/** A machine without IPv6 has no table of it. */
function readTable(path: string): string {
  try {
    return readFileSync(path, "latin1");
  } catch (error) {
    if (errorCode(error) === "ENOENT" && path.endsWith("6")) return "";
    throw error;
  }
}

/** The connected sockets of a table whose two addresses are those of the other end. A closed one has no inode. */
export function findSockets(table: string, connection: TcpConnection): readonly TcpSocket[] {
  const { localAddress, localPort, remoteAddress, remotePort } = connection;
  const own = spellings(remoteAddress, remotePort);
  const other = spellings(localAddress, localPort);
  return table.split("\n").slice(1).flatMap((line) => {
    const [, local, remote, state, , , , uid, , inode] = line.trim().split(/\s+/);
    if (state !== ESTABLISHED || !own.includes(local!) || !other.includes(remote!)) return [];
    return inode === undefined || inode === "0" || !/^\d+$/.test(uid ?? "")
      ? []
      : [{ uid: Number(uid), inode }];
  });
}

/** As the kernel writes an address: 32-bit words in the machine's order, and an IPv4 one in either table. */
function spellings(address: string, port: number): readonly string[] {
  const end = `:${port.toString(16).toUpperCase().padStart(4, "0")}`;
  const v4 = address.toLowerCase().startsWith("::ffff:") ? address.slice("::ffff:".length) : address;
  if (isIPv4(v4)) {
    const word = hex(v4.split(".").map(Number));
    return [`${word}${end}`, `0000000000000000${hex([0, 0, 0xff, 0xff])}${word}${end}`];
  }
  // Of IPv6 only loopback is ever asked for.
  return address === "::1" ? [`000000000000000000000000${hex([0, 0, 0, 1])}${end}`] : [];
}

/** Four bytes in network order, as the kernel prints them: as one number of the machine. */
function hex(bytes: readonly number[]): string {
  const view = new DataView(new Uint8Array(bytes).buffer);
  const littleEndian = new Uint8Array(new Uint16Array([1]).buffer)[0] === 1;
  return view.getUint32(0, littleEndian).toString(16).toUpperCase().padStart(8, "0");
}

/** By their descriptors in /proc. A process that ends meanwhile, or is not ours to look into, is left out. */
export function socketHolders(inode: string): readonly number[] {
  const link = `socket:[${inode}]`;
  return numbered("/proc").filter((pid) => {
    const folder = `/proc/${pid}/fd`;
    return numbered(folder).some((fd) => {
      try {
        return readlinkSync(`${folder}/${fd}`) === link;
      } catch {
        // Closed since it was listed.
        return false;
      }
    });
  });
}

function numbered(folder: string): number[] {
  try {
    return readdirSync(folder).filter((name) => /^\d+$/.test(name)).map(Number);
  } catch {
    // Gone, or another user's: nothing is known of who holds what there.
    return [];
  }
}
