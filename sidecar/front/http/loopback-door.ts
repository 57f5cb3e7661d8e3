/**
 * Streamable HTTP at a TCP port: for who shows a token, and for users of this machine whom an entry of the policy lets
 * in without one.
 *
 * Defends against: web pages (`request-head.ts`), other users. Leaves to others: which process of a user it is that
 * speaks, which nobody can prove over TCP; a token that was stolen is as good as its owner's.
 */
import { createServer, type Server, type Socket } from "node:net";
import type { AdmissionWorld, Clients } from "../../../policy/clients.ts";
import { attestLoopback } from "../../attest/attest-loopback.ts";
import { admitLoopback } from "../../gate/admission/admit-loopback.ts";
import { GuardError, messageOf } from "../../model/errors.ts";
import type { Digests } from "../../platform/digests.ts";
import type { Platform, TcpConnection } from "../../platform/platform.ts";
import { Endpoint } from "./endpoint.ts";
import type { HttpDoorOptions } from "./http-door.ts";
import type { HttpPeer } from "./session/http-peer.ts";
import { HttpSessions } from "./session/http-sessions.ts";
import { HttpWire } from "./wire/http-wire.ts";
import { SocketPeer } from "./loopback-peer.ts";
import { forbidden, invalidToken, type Problem, unauthorized } from "./request/problem.ts";
import type { Headers, Place, Route } from "./request/request-head.ts";
import { SocketStream } from "./wire/socket-stream.ts";

export interface LoopbackDoorOptions extends HttpDoorOptions {
  readonly platform: Platform;
  /** An address of this machine; 0 as port takes a free one. */
  readonly address: string;
  readonly port: number;
  /** Names that clients use for a proxy before us which speaks TLS. Empty: loopback only. */
  readonly remoteHosts: readonly string[];
  readonly digests: Digests;
  readonly clients: Clients | undefined;
  readonly world: AdmissionWorld;
  readonly trustDomain: string;
}

const MAX_CONNECTIONS = 256;

export class LoopbackDoor {
  readonly #options: LoopbackDoorOptions;
  readonly #server: Server;
  readonly #wire = new HttpWire();
  readonly #sessions: HttpSessions;
  readonly #endpoint: Endpoint;

  /** @throws {GuardError} `ERR_SOCKET_UNSAFE` when it cannot listen, or not there. */
  static async open(options: LoopbackDoorOptions): Promise<LoopbackDoor> {
    const { address, port, remoteHosts } = options;
    if (!isLoopback(address) && remoteHosts.length === 0) {
      throw unsafe(
        options,
        "it is not loopback; --allow-remote HOST is for a proxy that speaks TLS before it",
      );
    }
    const server = createServer({ pauseOnConnect: true, allowHalfOpen: true, noDelay: true });
    await new Promise<void>((resolve, reject) => {
      server.once("error", (error) => reject(unsafe(options, messageOf(error))));
      server.listen({ host: address, port, exclusive: true }, resolve);
    });
    return new LoopbackDoor(options, server);
  }

  private constructor(options: LoopbackDoorOptions, server: Server) {
    this.#options = options;
    this.#server = server;
    this.#sessions = new HttpSessions(options);
    this.#endpoint = new Endpoint({
      place: placeOf(this.port, options.remoteHosts),
      sessions: this.#sessions,
      tokens: options.tokens,
      maxBody: options.maxBody,
      refused: (peer, { audit = "http", refusal = "ERR_PEER_REFUSED" }) =>
        options.refused(peer, refusal, audit),
    });
    server.maxConnections = MAX_CONNECTIONS;
    server.on("error", (error) => options.notice(`Cannot accept a connection: ${messageOf(error)}`));
    server.on("connection", (socket) => void this.#arrived(socket));
  }

  /** The one that it listens at. */
  get port(): number {
    const address = this.#server.address();
    return typeof address === "object" && address !== null ? address.port : this.#options.port;
  }

  /** Lets nobody else in. Sessions go on. */
  close(): void {
    this.#server.close();
    this.#sessions.close();
  }

  async #arrived(socket: Socket): Promise<void> {
    const connection = connectionOf(socket);
    if (connection === undefined) return void socket.destroy();
    const visitor = new Visitor(this.#options, connection);
    await this.#wire.converse(new SocketStream(socket), {
      request: (req, res) => {
        void this.#endpoint.handle({
          req,
          res,
          fresh: true,
          identify: (headers, route) => visitor.identify(headers, route),
        });
      },
      malformed: (code) => void this.#options.refused(undefined, "ERR_PEER_REFUSED", `http:${code}`),
      lost: () => {},
    });
    visitor.leave();
  }
}

/** Whoever is at the other end of one connection. */
class Visitor {
  readonly #options: LoopbackDoorOptions;
  readonly #connection: TcpConnection;
  /** Found out once: the socket cannot change its user, and is asked for again with each request. */
  #user: Promise<SocketPeer | Problem> | undefined;
  #gone = false;

  constructor(options: LoopbackDoorOptions, connection: TcpConnection) {
    this.#options = options;
    this.#connection = connection;
  }

  async identify(headers: Headers, route: Route): Promise<HttpPeer | Problem> {
    const authorization = headers.get("authorization");
    if (authorization !== undefined) return await this.#byToken(authorization);
    const user = await (this.#user ??= this.#bySocket());
    if ("status" in user) return user;
    if (!user.isConnected()) return forbidden("Not admitted", "http:socket-changed");
    return user.waived || route === "token" ? user : unauthorized("http:no-token, the entry needs one");
  }

  leave(): void {
    this.#gone = true;
    void this.#user?.then((user) => {
      if (!("status" in user)) user.release();
    });
  }

  async #byToken(authorization: string): Promise<HttpPeer | Problem> {
    const { tokens } = this.#options;
    // A token that is wrong is not made good by the socket.
    return await tokens?.bearer(authorization) ?? invalidToken("ERR_TOKEN_INVALID", "none-issued");
  }

  async #bySocket(): Promise<SocketPeer | Problem> {
    const { platform, digests, clients, world, trustDomain } = this.#options;
    const attestation = attestLoopback(platform, this.#connection, {
      digests,
      mayAdmit: (account) => clients?.mayAdmit(account) === true,
    });
    if ("refused" in attestation) return unauthorized(`http:no-token, ${attestation.refused}`);
    const admitted = await admitLoopback({ attestation, clients, world, trustDomain });
    if (admitted.admitted) {
      const peer = new SocketPeer(admitted);
      if (this.#gone) peer.release();
      return peer;
    }
    attestation.close();
    return unauthorized(`http:no-token, ${admitted.reasons.join("; ")}`);
  }
}

function connectionOf(
  { localAddress, localPort, remoteAddress, remotePort }: Socket,
): TcpConnection | undefined {
  // A client that has gone already has no address.
  if (localAddress === undefined || localPort === undefined) return undefined;
  if (remoteAddress === undefined || remotePort === undefined) return undefined;
  return { localAddress, localPort, remoteAddress, remotePort };
}

/** Names by which this port is ours. A name that a web page brings is none, wherever it leads. */
function placeOf(port: number, remoteHosts: readonly string[]): Place {
  const names = ["localhost", "127.0.0.1", "[::1]"];
  const local = names.flatMap((name) => port === 80 ? [name, `${name}:80`] : [`${name}:${port}`]);
  const hosts = new Set([...local, ...remoteHosts.map((host) => host.toLowerCase())]);
  return { isOurs: (host) => hosts.has(host), scheme: remoteHosts.length === 0 ? "http" : "https" };
}

function isLoopback(address: string): boolean {
  return /^127\.\d{1,3}\.\d{1,3}\.\d{1,3}$/.test(address) || address === "::1";
}

function unsafe({ address, port }: LoopbackDoorOptions, reason: string): GuardError {
  return new GuardError("ERR_SOCKET_UNSAFE", `Cannot listen at '${address}' port ${port}: ${reason}`);
}
