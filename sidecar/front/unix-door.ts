/**
 * A Unix socket before the server: each connection is attested and admitted before a byte of it is read, and becomes a
 * session of its own.
 */
import { attestConnection } from "../attest/attest-connection.ts";
import type { Attestation } from "../attest/attest.ts";
import { admitPeer } from "../gate/admission/admit.ts";
import { turnAway } from "../gate/admission/turn-away.ts";
import { messageOf } from "../model/errors.ts";
import type { PeerStream, UnixConnection } from "../platform/platform.ts";
import type { Seat } from "./capacity.ts";
import { asRefused, type DoorOptions, mayAdmit, uidOf } from "./door.ts";
import { prepareSocketPath } from "./socket-path.ts";

export class UnixDoor {
  readonly #options: DoorOptions;
  readonly #close: () => void;

  /** @throws {GuardError} `ERR_SOCKET_UNSAFE` */
  static async open(options: DoorOptions): Promise<UnixDoor> {
    await prepareSocketPath(options.path);
    return new UnixDoor(options);
  }

  private constructor(options: DoorOptions) {
    this.#options = options;
    const listener = options.platform.listenUnix(options.path, {
      onConnection: (connection) => void this.#arrived(connection),
      onError: (error) => options.notice(`Cannot accept a connection: ${error.message}`),
    });
    this.#close = () => listener.close();
  }

  /** Lets nobody else in. Sessions go on. */
  close(): void {
    this.#close();
  }

  /** Whatever throws on the way closes the connection: nobody is served by accident. */
  async #arrived(connection: UnixConnection): Promise<void> {
    try {
      await this.#receive(connection);
    } catch (error) {
      connection.stream.destroy();
      this.#options.notice(`A connection was closed: ${messageOf(error)}`);
    }
  }

  async #receive({ fd, stream }: UnixConnection): Promise<void> {
    const { platform, digests, refused, trustDomain, capacity } = this.#options;
    const attestation = attestConnection(platform, fd, {
      digests,
      mayAdmit: (credentials) => mayAdmit(this.#options, credentials),
    });
    // A stranger, or one of a flood: closed before anything of it is read, and told nothing.
    if ("refused" in attestation) {
      stream.destroy();
      return void await refused(asRefused(attestation, trustDomain));
    }
    const evidence = attestation.immediate;
    const seat = capacity.take(uidOf(evidence));
    if (typeof seat === "string") {
      stream.destroy();
      attestation.close();
      return void await refused(
        asRefused({ code: "ERR_PEER_REFUSED", refused: seat, evidence }, trustDomain),
      );
    }
    try {
      await this.#admit(stream, attestation, seat);
    } finally {
      seat.leave();
    }
  }

  async #admit(stream: PeerStream, attestation: Attestation, seat: Seat): Promise<void> {
    const { clients, world, trustDomain, refused, serve } = this.#options;
    const uid = process.geteuid?.();
    const peer = await admitPeer({ stream, attestation, clients, world, uid, trustDomain });
    seat.decided();
    if (peer.admitted) return void await serve(peer);
    attestation.close();
    await turnAway(stream, { code: peer.code, refusal: await refused(peer) });
  }
}
