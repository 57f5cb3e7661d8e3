/** The doors of a guard that listens: what a URL of `--listen` stands for. */
import type { SessionIdentity } from "./audit/audit-log.ts";
import { Capacity } from "./front/capacity.ts";
import { ConnectDoor } from "./front/connect-door.ts";
import type { DoorOptions } from "./front/door.ts";
import type { HttpDoorOptions } from "./front/http/http-door.ts";
import type { HttpTokens } from "./front/http/tokens/http-tokens.ts";
import type { HttpPeer } from "./front/http/session/http-peer.ts";
import { socketPath } from "./front/socket-path.ts";
import { UnixDoor } from "./front/unix-door.ts";
import { DEFAULT_LIMITS } from "./gate/session-state.ts";
import { type Guard, tellRefusal } from "./guard.ts";
import type { GuardErrorCode } from "./model/errors.ts";
import { absent } from "./model/evidence.ts";
import type { Sessions } from "./sessions.ts";

/** Somewhere that peers arrive. */
export interface Door {
  /** Lets nobody else in. Sessions go on. */
  close(): void;
}

/** What all doors of a guard share. */
export interface House {
  readonly guard: Guard;
  readonly sessions: Sessions;
  readonly capacity: Capacity;
  /** Of the HTTP doors, all together: what is given at one of them counts at the others of its kind. */
  readonly httpTokens: () => Promise<HttpTokens | undefined>;
}

/** Connections of HTTP at a time: clients hold several. */
const MAX_CONNECTIONS = 256;

/** @throws {GuardError} `ERR_SOCKET_UNSAFE` where it may not or cannot be opened. */
export async function openDoors(house: House, url: string): Promise<readonly Door[]> {
  if (url.startsWith("http:")) return [await openLoopback(house, new URL(url))];
  const { guard } = house;
  const path = socketPath(url, guard.name);
  const doors = url.startsWith("unix+http:") ? [await openHttpAt(house, path)] : await openUnix(house, path);
  guard.options.notice(`Listening at ${url.slice(0, url.indexOf(":") + 1)}${path}`);
  return doors;
}

async function openUnix({ guard, sessions, capacity }: House, path: string): Promise<readonly Door[]> {
  const options = doorOptions(guard, { path, capacity, serve: (peer) => sessions.serve(peer) });
  const door = await UnixDoor.open(options);
  try {
    return [door, await ConnectDoor.open(options)];
  } catch (error) {
    door.close();
    throw error;
  }
}

type Behind = Pick<DoorOptions, "path" | "capacity" | "serve" | "known" | "turnAway">;

/** What depends on the policy is asked anew for each peer: another one may be loaded meanwhile. */
function doorOptions(guard: Guard, behind: Behind): DoorOptions {
  const { platform, digests, options: { notice } } = guard;
  return {
    platform,
    digests,
    get clients() {
      return guard.policy?.clients;
    },
    get world() {
      return guard.world;
    },
    get trustDomain() {
      return guard.policy?.trustDomain ?? "localhost";
    },
    refused: (peer) => tellRefusal(guard, peer),
    notice,
    ...behind,
  };
}

async function openHttpAt(house: House, path: string): Promise<Door> {
  // HTTP is loaded for who wants it.
  const { UnixHttpDoor } = await import("./front/http/http-door.ts");
  const http = new UnixHttpDoor(await httpOptions(house));
  const unix = await UnixDoor.open(doorOptions(house.guard, {
    path,
    capacity: new Capacity(() => MAX_CONNECTIONS, MAX_CONNECTIONS / 4),
    serve: (peer) => http.serve(peer),
    known: (credentials, connectedAfter) => http.known(credentials, connectedAfter),
    turnAway: (stream, why) => http.turnAway(stream, why),
  }));
  return {
    close: () => {
      unix.close();
      http.close();
    },
  };
}

async function openLoopback(house: House, url: URL): Promise<Door> {
  const { LoopbackDoor } = await import("./front/http/loopback-door.ts");
  const { guard } = house;
  const { platform, digests, options } = guard;
  const door = await LoopbackDoor.open({
    ...await httpOptions(house),
    platform,
    address: url.hostname.replace(/^\[(.*)\]$/, "$1"),
    port: url.port === "" ? 80 : Number(url.port),
    remoteHosts: options.allowRemote ?? [],
    digests,
    get clients() {
      return guard.policy?.clients;
    },
    get world() {
      return guard.world;
    },
    get trustDomain() {
      return guard.policy?.trustDomain ?? "localhost";
    },
  });
  options.notice(`Listening at http://${url.hostname}:${door.port}/mcp`);
  return door;
}

async function httpOptions({ guard, sessions, capacity, httpTokens }: House): Promise<HttpDoorOptions> {
  return {
    serve: (peer) => sessions.serve(peer),
    capacity,
    tokens: await httpTokens(),
    maxBody: guard.options.maxLine ?? DEFAULT_LIMITS.peerLine,
    refused: (peer, code, reason) => refuseRequest(guard, peer, code, reason),
    notice: guard.options.notice,
  };
}

/** Records that a request was not served, for a reason that somebody should know of. */
function refuseRequest(
  guard: Guard,
  peer: HttpPeer | undefined,
  code: GuardErrorCode,
  reason: string,
): Promise<string | undefined> {
  const identity = peer?.identity.identity ?? NOBODY;
  return Promise.resolve(guard.refusals.record({ admitted: false, code, reasons: [reason], identity }));
}

/** Who sends a request that does not even say for whom it is. */
const NOBODY: SessionIdentity = {
  principal: { name: "unidentified", id: "spiffe://localhost/unidentified" },
  evidence: {
    transport: "tcp",
    credentials: absent("not-looked"),
    process: absent("not-looked"),
    lineage: { ancestors: [], end: "pending" },
    selectors: [],
  },
};
