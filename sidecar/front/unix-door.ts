/**
 * A Unix socket before the server: each connection is attested and admitted before a byte of it is read, and becomes a
 * session of its own.
 */
import { attestConnection } from "../attest/attest-connection.ts";
import { type AdmissionRequest, admitPeer } from "../gate/admission/admit.ts";
import { turnAway } from "../gate/admission/turn-away.ts";
import { messageOf } from "../model/errors.ts";
import { isKnown } from "../model/evidence.ts";
import type { UnixConnection, UnixListener } from "../platform/platform.ts";
import type { Seat } from "./capacity.ts";
import { asRefused, type DoorOptions, mayAdmit, uidOf } from "./door.ts";
import { prepareSocketPath } from "./socket-path.ts";

type Arrived = Pick<AdmissionRequest, "stream" | "attestation" | "bornProven">;

export class UnixDoor {
  readonly #options: DoorOptions;
  readonly #listener: UnixListener;

  /** @throws {GuardError} `ERR_SOCKET_UNSAFE` */
  static async open(options: DoorOptions): Promise<UnixDoor> {
    await prepareSocketPath(options.path);
    return new UnixDoor(options);
  }

  private constructor(options: DoorOptions) {
    this.#options = options;
    this.#listener = options.platform.listenUnix(options.path, {
      onConnection: (connection) => void this.#arrived(connection),
      onError: (error) => options.notice(`Cannot accept a connection: ${error.message}`),
    });
  }

  /** Lets nobody else in. Sessions go on. */
  close(): void {
    this.#listener.close();
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

  async #receive({ fd, stream, connectedAfter }: UnixConnection): Promise<void> {
    const { platform, digests, refused, trustDomain, capacity, known } = this.#options;
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
      const { credentials } = evidence;
      const bornProven = isKnown(credentials) && known?.(credentials.value, connectedAfter) === true;
      await this.#admit({ stream, attestation, bornProven }, seat);
    } finally {
      seat.leave();
    }
  }

  async #admit(arrived: Arrived, seat: Seat): Promise<void> {
    const { clients, world, trustDomain, refused, serve, known } = this.#options;
    const uid = process.geteuid?.();
    const peer = await admitPeer({ ...arrived, clients, world, uid, trustDomain });
    seat.decided();
    // Who connects from here on is younger than the measurement, if it is the same process.
    if (peer.admitted && known !== undefined) this.#listener.acceptWaiting();
    if (peer.admitted) return void await serve(peer);
    arrived.attestation.close();
    const tell = this.#options.turnAway ?? turnAway;
    await tell(arrived.stream, { code: peer.code, refusal: await refused(peer) });
  }
}
