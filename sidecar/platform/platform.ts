/**
 * The operating system, as the rest of mcp-guard sees it: one page of types.
 *
 * `linux.ts`, `darwin.ts` and `unsupported.ts` implement it; only the composition root chooses. What a platform cannot
 * do throws `ERR_PLATFORM_UNSUPPORTED` or yields an absent fact: "no credentials" never means "allowed".
 */
import type { Credentials, Fact } from "../model/evidence.ts";

export interface Platform {
  readonly name: "linux" | "darwin" | "unsupported";

  /** Keeps other processes of the same user out of our memory and descriptors. Call before any secret is read. */
  hardenSelf(): void;

  /** What is behind a descriptor we inherited. */
  describe(fd: number): Descriptor;
  /** Who made the other end of a Unix socket or socketpair, as the kernel pinned it. Absent for anything else. */
  peerCredentials(fd: number): Fact<Credentials>;
  /** Its supplementary groups, pinned with the credentials (SO_PEERGROUPS). */
  peerGroups(fd: number): Fact<readonly number[]>;
  /** Its security label, pinned likewise (SO_PEERSEC). */
  peerLabel(fd: number): Fact<string>;
  /** A handle on exactly the process that `peerCredentials` names (SO_PEERPIDFD), which cannot be raced. */
  peerProcess(fd: number): ProcessHandle | undefined;
  /** A handle on whatever process has this pid now. Callers must prove by other means that it is the one they mean. */
  openProcess(pid: number): ProcessHandle | undefined;

  /**
   * Bytes, whoever sent them: `sender` is always undefined. Takes ownership of the descriptor.
   * A bidirectional descriptor may be opened once for both directions.
   */
  openStream(fd: number, direction: StreamDirection): ByteStream;
  /**
   * Bytes with their sender: on a Unix socket each read is a recvmsg(2) with SCM_CREDENTIALS. Takes ownership of the
   * descriptor. Senders are asked for from this call on; nothing is read before `start`.
   */
  openPeerStream(fd: number, direction: StreamDirection): PeerStream;
  /**
   * Makes a Unix socket that only our own user can connect to, and listens. Replaces nothing that is at the path; the
   * folder is the caller's to have looked at.
   *
   * @param descriptors How many one read may bring along. @default {none: then whoever sends some is cut off}
   * @throws {GuardError} `ERR_SOCKET_UNSAFE`
   */
  listenUnix(path: string, events: UnixListenerEvents, descriptors?: number): UnixListener;
  /** Connects to a Unix stream socket. @throws with `code` as the kernel gave it. */
  connectUnix(path: string): number;
  /** Sends bytes, and copies of descriptors of ours along with them. @throws with `code` as the kernel gave it. */
  passDescriptors(socket: number, bytes: Uint8Array, descriptors: readonly number[]): void;
  /**
   * What somebody handed over, told without a question to its file system, which may be one that never answers.
   * Undefined for all else than these two: to close it could take for ever, too.
   */
  recognize(fd: number): "unix-stream" | "pipe" | undefined;
  /** Two connected Unix stream sockets, close-on-exec. Unlike a pipe they cannot be reopened through /proc. */
  socketPair(): readonly [number, number];
  /** A pipe, close-on-exec: the end to read, the end to write. Any process of the user can open either by /proc. */
  pipe(): readonly [number, number];
  /**
   * A pipe of ours opened once more for writing: O_NONBLOCK on it is then not shared with whoever else holds the first.
   * Undefined for what cannot be opened again, such as a socket.
   */
  reopenForWriting(fd: number): number | undefined;
  closeDescriptor(fd: number): void;
  /** The other end of a TCP connection, when it is a socket of this machine. */
  tcpPeer(connection: TcpConnection): Fact<TcpSocket>;
  /** Processes that hold this socket open, as far as we may look into them. */
  socketHolders(inode: string): readonly number[];
  /** Bytes written to this socket that the other end has not read yet; undefined when the kernel cannot tell. */
  unreadBytes(fd: number): number | undefined;
}

/** A TCP connection as we see it; addresses as `node:net` writes them. */
export interface TcpConnection {
  readonly localAddress: string;
  readonly localPort: number;
  readonly remoteAddress: string;
  readonly remotePort: number;
}

/** A connected TCP socket. */
export interface TcpSocket {
  /** Of who made it. */
  readonly uid: number;
  readonly inode: string;
}

export type StreamDirection = "read" | "write" | "both";

export interface Descriptor {
  readonly kind: "socket" | "pipe" | "tty" | "file" | "null" | "other" | "closed";
  /** `dev:ino`, to tell whether two descriptors are the same object. */
  readonly identity: string;
}

/** A process that we hold on to: its number cannot be given to another one behind our back. */
export interface ProcessHandle {
  readonly pid: number;
  /** The pidfd's inode, or undefined where the kernel has none. */
  readonly inode: string | undefined;
  isAlive(): boolean;
  /** Reads `/proc/<pid>/<name>` of exactly this process. @throws with `code` as the kernel gave it. */
  read(name: "stat" | "status" | "auxv" | "cmdline" | "environ" | "maps"): string;
  /** Path by which `/proc/<pid>/<name>` of exactly this process can be opened. */
  procPath(name: string): string;
  /** Where there is no /proc, what the kernel tells of this process in its place; `read` and `procPath` then throw. */
  readonly told?: ToldProcess;
  close(): void;
}

/** Questions about exactly one image of exactly one process. Each throws with `code` as the kernel gave it. */
export interface ToldProcess {
  account(): ToldAccount;
  /** Its parent's number, and a count that grows with every process made. */
  birth(): { readonly ppid: number; readonly startTime: bigint };
  /** Whether this very image of that very process forked it: false where the parent has run another program since. */
  isChildOf(parent: ProcessHandle): boolean;
  /** Where the file that it runs lies now. */
  imagePath(): string;
  /** Another text after every exec, also one of the same file. */
  incarnation(): string;
  /** The name of the file system an open file is on where its bytes may not be this kernel's; undefined where they are. */
  foreignFileSystem(fd: number): string | undefined;
}

export interface ToldAccount {
  /** Real, effective and saved. */
  readonly uids: readonly number[];
  readonly gids: readonly number[];
  /** Why nothing beyond the account may be believed: somebody can change it while it runs. */
  readonly refusal: string | undefined;
}

/**
 * Who sent some bytes. `undefined` where the kernel does not say: pipes, files. On a Unix socket it always says; pid 0
 * is a sender that it cannot name: one outside of our pid namespace, or who sent before we asked for senders.
 */
export type Sender = Credentials | undefined;

export interface StreamEvents {
  /** One read: bytes of one sender. The next read may reuse nothing of `chunk`: it is the receiver's to keep. */
  data(chunk: Buffer, sender: Sender): void;
  /** What came along with the next `data`: the receiver's to close. Asked for when the socket was made. */
  descriptors?(handedOver: readonly number[]): void;
  /** The other end will send no more. */
  end(): void;
  /** The other end no longer reads, or reading failed. Called at most once; nothing follows. */
  error(error: Error): void;
  /** What was written has gone to the kernel: write again. */
  drain(): void;
}

/** A duplex of bytes with explicit flow control. Nothing is read before `start`. */
export interface ByteStream {
  start(events: StreamEvents): void;
  pause(): void;
  resume(): void;
  /** @returns false when the caller should wait for `drain` before it writes more. */
  write(bytes: Uint8Array): boolean;
  /** Bytes accepted by `write` that are still in our memory. */
  readonly buffered: number;
  /** Flushes, then tells the other end that no more comes. Reading goes on. */
  end(): void;
  /** Closes at once, both ways. */
  destroy(): void;
}

/** A stream that tells who sent each read. */
export interface PeerStream extends ByteStream {
  /** Whether the kernel names the sender of each read: true for Unix sockets only. */
  readonly namesSenders: boolean;
  /**
   * Bytes that were sent to us and not delivered to `data` yet: as many of the next bytes were sent before this call.
   * Undefined where the kernel cannot tell.
   */
  waiting(): number | undefined;
}

/** Somebody who connected. Nothing of it was read. */
export interface UnixConnection {
  /** For questions about who it is, while the stream is open. */
  readonly fd: number;
  /** Owns the descriptor. */
  readonly stream: PeerStream;
  /** It connected after this moment of the monotonic clock: then nobody was waiting to be accepted. */
  readonly connectedAfter: number;
}

export interface UnixListenerEvents {
  onConnection(connection: UnixConnection): void;
  /** One connection was lost, or no more can be taken. */
  onError(error: Error): void;
}

export interface UnixListener {
  /** Accepts those who wait, now: `connectedAfter` of who comes later is then no earlier than this call. */
  acceptWaiting(): void;
  /** Takes no more connections, and removes the socket if it is still ours. Those that were taken go on. */
  close(): void;
}
