/**
 * A Unix socket before the server: each connection is attested and admitted before a byte of it is read, and becomes a
 * session of its own.
 */
import type { AdmissionWorld, Clients } from "../../policy/clients.ts";
import { attestConnection } from "../attest/attest-connection.ts";
import type { Attestation, PeerRefusal } from "../attest/attest.ts";
import { principalOf } from "../attest/principal.ts";
import { admitPeer, type AdmittedPeer, type RefusedPeer } from "../gate/admission/admit.ts";
import { turnAway } from "../gate/admission/turn-away.ts";
import { messageOf } from "../model/errors.ts";
import { type Credentials, isKnown, type PeerEvidence } from "../model/evidence.ts";
import type { Digests } from "../platform/digests.ts";
import type { Platform, UnixConnection, UnixListener } from "../platform/platform.ts";
import { prepareSocketPath } from "./socket-path.ts";

export interface UnixDoorOptions {
  readonly platform: Platform;
  /** Absolute. */
  readonly path: string;
  readonly digests: Digests;
  /** The policy's `clients`; undefined: processes of our own uid, and nobody else. */
  readonly clients: Clients | undefined;
  readonly world: AdmissionWorld;
  readonly trustDomain: string;
  /** Most sessions at a time. */
  readonly maxSessions: number;
  /** Connections of one account that may wait for their admission at a time. @default {16: each may cost a hash} */
  readonly maxWaiting?: number;
  /** Starts the peer's session. @returns Settles when it has ended. */
  readonly serve: (peer: AdmittedPeer) => Promise<unknown>;
  /** Records that a peer is not let in. @returns The id that it is told. */
  readonly refused: (peer: RefusedPeer) => Promise<string | undefined>;
  /**
   * Whether this process was measured before, still is what it was then, and could not have connected earlier than that.
   *
   * @default {never}
   */
  readonly known?: (credentials: Credentials, connectedAfter: number) => boolean;
  /** Tells a peer that it is not let in, and closes. @default {one line of JSON-RPC} */
  readonly turnAway?: typeof turnAway;
  /** One line for the person at the terminal. */
  readonly notice: (text: string) => void;
}

const MAX_WAITING = 16;

export class UnixDoor {
  readonly #options: UnixDoorOptions;
  readonly #waiting = new Map<number, number>();
  readonly #listener: UnixListener;
  #sessions = 0;

  /** @throws {GuardError} `ERR_SOCKET_UNSAFE` */
  static async open(options: UnixDoorOptions): Promise<UnixDoor> {
    await prepareSocketPath(options.path);
    return new UnixDoor(options);
  }

  private constructor(options: UnixDoorOptions) {
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
    const { platform, digests, refused, trustDomain, known } = this.#options;
    const attestation = attestConnection(platform, fd, {
      digests,
      mayAdmit: (credentials) => this.#mayAdmit(credentials),
    });
    const refusal = "refused" in attestation ? attestation : this.#overload(attestation);
    if (refusal !== undefined) {
      // A stranger, or one of a flood: closed before anything of it is read, and told nothing.
      stream.destroy();
      if (!("refused" in attestation)) attestation.close();
      return void await refused(asRefused(refusal, trustDomain));
    }
    const { credentials } = (attestation as Attestation).immediate;
    const bornProven = isKnown(credentials) && known?.(credentials.value, connectedAfter) === true;
    const peer = await this.#admit(stream, attestation as Attestation, bornProven);
    // Who connects from here on is younger than the measurement, if it is the same process.
    if (peer.admitted && known !== undefined) this.#listener.acceptWaiting();
    if (peer.admitted) return await this.#serve(peer);
    (attestation as Attestation).close();
    await (this.#options.turnAway ?? turnAway)(stream, { code: peer.code, refusal: await refused(peer) });
  }

  #mayAdmit(credentials: Credentials): boolean {
    const { clients } = this.#options;
    return clients === undefined ? credentials.uid === process.geteuid?.() : clients.mayAdmit(credentials);
  }

  /** Why there is no room for one more. */
  #overload({ immediate }: Attestation): PeerRefusal | undefined {
    const refuse = (refused: string): PeerRefusal => ({
      code: "ERR_PEER_REFUSED",
      refused,
      evidence: immediate,
    });
    if ((this.#waiting.get(uidOf(immediate)) ?? 0) >= (this.#options.maxWaiting ?? MAX_WAITING)) {
      return refuse("too-many-admissions");
    }
    return this.#taken() >= this.#options.maxSessions ? refuse("too-many-sessions") : undefined;
  }

  async #admit(
    stream: UnixConnection["stream"],
    attestation: Attestation,
    bornProven: boolean,
  ): Promise<AdmittedPeer | RefusedPeer> {
    const { clients, world, trustDomain } = this.#options;
    const uid = uidOf(attestation.immediate);
    this.#waiting.set(uid, (this.#waiting.get(uid) ?? 0) + 1);
    try {
      const own = process.geteuid?.();
      return await admitPeer({ stream, attestation, clients, world, uid: own, trustDomain, bornProven });
    } finally {
      const left = (this.#waiting.get(uid) ?? 1) - 1;
      if (left > 0) this.#waiting.set(uid, left);
      else this.#waiting.delete(uid);
    }
  }

  /** Sessions, and those that may become one. */
  #taken(): number {
    return [...this.#waiting.values()].reduce((sum, waiting) => sum + waiting, this.#sessions);
  }

  async #serve(peer: AdmittedPeer): Promise<void> {
    this.#sessions++;
    await this.#options.serve(peer).finally(() => this.#sessions--);
  }
}

function asRefused({ code, refused, evidence }: PeerRefusal, trustDomain: string): RefusedPeer {
  const principal = principalOf(evidence, trustDomain);
  return { admitted: false, code, reasons: [refused], identity: { principal, evidence } };
}

function uidOf({ credentials }: PeerEvidence): number {
  return isKnown(credentials) ? credentials.value.uid : -1;
}
