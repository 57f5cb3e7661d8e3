/**
 * A Unix socket before the server: each connection is attested and admitted before a byte of it is read, and becomes a
 * session of its own.
 */
import type { AdmissionWorld, Clients } from "../../policy/clients.ts";
import { attestConnection } from "../attest/attest-connection.ts";
import type { Attestation, PeerRefusal } from "../attest/attest.ts";
import { principalOf } from "../attest/principal.ts";
import { admitPeer, type AdmittedPeer, type RefusedPeer } from "../gate/admission/admit.ts";
import type { RefusalRecords } from "../gate/admission/refusal-records.ts";
import { turnAway } from "../gate/admission/turn-away.ts";
import type { Credentials } from "../model/evidence.ts";
import type { Digests } from "../platform/digests.ts";
import type { Platform, UnixConnection } from "../platform/platform.ts";
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
  readonly refusals: RefusalRecords;
  /** Most sessions at a time. */
  readonly maxSessions: number;
  /** Starts the peer's session. @returns Settles when it has ended. */
  readonly serve: (peer: AdmittedPeer) => Promise<unknown>;
  /** One line for the person at the terminal. */
  readonly notice: (text: string) => void;
}

/** Connections of one account that may wait for their admission at a time: each may cost a hash. */
const MAX_WAITING = 16;

export class UnixDoor {
  readonly #options: UnixDoorOptions;
  readonly #waiting = new Map<number, number>();
  readonly #close: () => void;
  #sessions = 0;

  /** @throws {GuardError} `ERR_SOCKET_UNSAFE` */
  static async open(options: UnixDoorOptions): Promise<UnixDoor> {
    await prepareSocketPath(options.path);
    return new UnixDoor(options);
  }

  private constructor(options: UnixDoorOptions) {
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

  async #arrived({ fd, stream }: UnixConnection): Promise<void> {
    const { platform, digests } = this.#options;
    const attestation = attestConnection(platform, fd, {
      digests,
      mayAdmit: (credentials) => this.#mayAdmit(credentials),
    });
    if ("refused" in attestation) {
      // A stranger is told nothing: the connection is closed before anything of it is read.
      this.#refuse(asRefused(attestation, this.#options.trustDomain));
      return stream.destroy();
    }
    const peer = await this.#admit(stream, attestation);
    if (peer.admitted) return await this.#serve(peer);
    const refusal = this.#refuse(peer);
    attestation.close();
    await turnAway(stream, { code: peer.code, refusal });
  }

  #mayAdmit(credentials: Credentials): boolean {
    const { clients } = this.#options;
    return clients === undefined ? credentials.uid === process.geteuid?.() : clients.mayAdmit(credentials);
  }

  async #admit(
    stream: UnixConnection["stream"],
    attestation: Attestation,
  ): Promise<AdmittedPeer | RefusedPeer> {
    const { clients, world, trustDomain } = this.#options;
    const { credentials } = attestation.immediate;
    const uid = "value" in credentials ? credentials.value.uid : -1;
    const waiting = this.#waiting.get(uid) ?? 0;
    if (waiting >= MAX_WAITING || this.#taken() >= this.#options.maxSessions) {
      const reason = waiting >= MAX_WAITING ? "too-many-admissions" : "too-many-sessions";
      return asRefused(
        { code: "ERR_PEER_REFUSED", refused: reason, evidence: attestation.immediate },
        trustDomain,
      );
    }
    this.#waiting.set(uid, waiting + 1);
    try {
      return await admitPeer({ stream, attestation, clients, world, uid: process.geteuid?.(), trustDomain });
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

  #refuse(peer: RefusedPeer): string | undefined {
    const refusal = this.#options.refusals.record(peer);
    if (refusal !== undefined) {
      this.#options.notice(`Not admitted [${peer.code}]: ${peer.reasons.join("; ")} (mcp-guard ${refusal})`);
    }
    return refusal;
  }
}

function asRefused({ code, refused, evidence }: PeerRefusal, trustDomain: string): RefusedPeer {
  const principal = principalOf(evidence, trustDomain);
  return { admitted: false, code, reasons: [refused], identity: { principal, evidence } };
}
