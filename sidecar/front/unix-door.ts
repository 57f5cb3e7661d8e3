/**
 * A Unix socket before the server: each connection is attested and admitted before a byte of it is read, and becomes a
 * session of its own.
 */
import { attestConnection } from "../attest/attest-connection.ts";
import type { Attestation, PeerRefusal } from "../attest/attest.ts";
import { admitPeer } from "../gate/admission/admit.ts";
import { turnAway } from "../gate/admission/turn-away.ts";
import { messageOf } from "../model/errors.ts";
import type { UnixConnection } from "../platform/platform.ts";
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
    const { platform, digests, refused, trustDomain, clients, world, capacity, serve } = this.#options;
    const attestation = attestConnection(platform, fd, {
      digests,
      mayAdmit: (credentials) => mayAdmit(this.#options, credentials),
    });
    const refusal = "refused" in attestation ? attestation : this.#overload(attestation);
    if (refusal !== undefined) {
      // A stranger, or one of a flood: closed before anything of it is read, and told nothing.
      stream.destroy();
      if (!("refused" in attestation)) attestation.close();
      return void await refused(asRefused(refusal, trustDomain));
    }
    const request = { stream, attestation: attestation as Attestation, clients, world, trustDomain };
    const peer = await capacity.admission(
      uidOf(request.attestation.immediate),
      () => admitPeer({ ...request, uid: process.geteuid?.() }),
    );
    if (peer.admitted) return void await capacity.session(() => serve(peer));
    request.attestation.close();
    await turnAway(stream, { code: peer.code, refusal: await refused(peer) });
  }

  /** Why there is no room for one more. */
  #overload({ immediate }: Attestation): PeerRefusal | undefined {
    const refused = this.#options.capacity.overload(uidOf(immediate));
    return refused === undefined ? undefined : { code: "ERR_PEER_REFUSED", refused, evidence: immediate };
  }
}
