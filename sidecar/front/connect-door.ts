/**
 * The door of `mcp-guard connect`: it hands over the standard streams that a client gave it, and leaves the data path.
 *
 * Trusts: the kernel, which says who made those streams. Nothing that the shim says counts; it only shows among whose
 * descendants it is. Defends against: streams that somebody else made, answers led to another one than who asks,
 * descriptors that would hold us up. Leaves to others: a server which the client itself started, and which hands its
 * own streams over: then what the client sends to that server is served here, and answered to the client.
 */
import { attestStdio } from "../attest/attest-stdio.ts";
import { holdConnection, nobody } from "../attest/attest-connection.ts";
import type { Attestation, PeerRefusal } from "../attest/attest.ts";
import { accountOf, admitPeer, type AdmittedPeer, type RefusedPeer } from "../gate/admission/admit.ts";
import { turnAway } from "../gate/admission/turn-away.ts";
import { withId } from "../gate/refusal.ts";
import { messageOf } from "../model/errors.ts";
import { type Credentials, known } from "../model/evidence.ts";
import type { PeerStream, ProcessHandle, UnixConnection } from "../platform/platform.ts";
import type { Seat } from "./capacity.ts";
import { asRefused, type DoorOptions, mayAdmit } from "./door.ts";
import { handOverPath } from "./hand-over.ts";
import { Shim } from "./shim.ts";
import { prepareSocketPath } from "./socket-path.ts";
import { openStdio } from "./stdio.ts";

const NOT_ADMITTED = 1;
const DESCRIPTORS = 2;
/** Descriptors of a kind that cannot be closed safely. Nobody honest hands one over: after so many the door closes. */
const MAX_STRANDED = 16;

/** Who is at the other end of the control connection. */
interface Holder {
  readonly credentials: Credentials;
  readonly handle: ProcessHandle;
  readonly shim: Shim;
}

export class ConnectDoor {
  readonly #options: DoorOptions;
  readonly #close: () => void;
  #stranded = 0;

  /** @throws {GuardError} `ERR_SOCKET_UNSAFE` */
  static async open(options: DoorOptions): Promise<ConnectDoor> {
    const path = handOverPath(options.path);
    await prepareSocketPath(path);
    return new ConnectDoor(options, path);
  }

  private constructor(options: DoorOptions, path: string) {
    this.#options = options;
    const listener = options.platform.listenUnix(path, {
      onConnection: (connection) => void this.#arrived(connection),
      onError: (error) => options.notice(`Cannot accept a connection: ${error.message}`),
    }, DESCRIPTORS);
    this.#close = () => listener.close();
  }

  /** Lets nobody else in. Sessions go on. */
  close(): void {
    this.#close();
  }

  async #arrived({ fd, stream }: UnixConnection): Promise<void> {
    const { platform, capacity } = this.#options;
    const held = holdConnection(platform, fd, (credentials) => mayAdmit(this.#options, credentials));
    if ("refused" in held) {
      stream.destroy();
      return void await this.#options.refused(asRefused(held, this.#options.trustDomain));
    }
    const { credentials, handle } = held;
    const shim = new Shim(stream, credentials);
    try {
      const seat = capacity.take(credentials.uid);
      if (typeof seat === "string") {
        await this.#turnAway(this.#refusal(credentials, seat), undefined, shim);
      } else {
        await this.#receive({ credentials, handle, shim }, seat).finally(() => seat.leave());
      }
    } catch (error) {
      shim.destroy();
      this.#options.notice(`A connection was closed: ${messageOf(error)}`);
    } finally {
      handle.close();
    }
  }

  async #receive(holder: Holder, seat: Seat): Promise<void> {
    const { shim } = holder;
    const { peer, stream } = await this.#admit(holder);
    seat.decided();
    if (!peer.admitted) return await this.#turnAway(peer, stream, shim);
    if (shim.gone) {
      peer.close();
      return stream?.destroy();
    }
    const ended = this.#options.serve(peer);
    shim.whenGone(() => peer.stream.lose({ code: "ERR_PEER_GONE", detail: "shim-ended" }));
    shim.dismiss({ exit: await ended });
  }

  async #admit({ credentials, handle, shim }: Holder): Promise<Arrival> {
    const { platform, digests } = this.#options;
    const { descriptors, refused } = await shim.handOver();
    const unsafe = descriptors.filter((fd) => platform.recognize(fd) === undefined);
    if (refused !== undefined || unsafe.length > 0) {
      this.#discard(descriptors, unsafe);
      return { peer: this.#refusal(credentials, refused ?? "hand-over:neither-pipe-nor-socket") };
    }
    const [input, output] = descriptors as [number, number];
    const stream = openStdio(platform, { input, output, keepsOutput: false });
    let attestation: Attestation | undefined;
    try {
      attestation = attestStdio(platform, {
        inputFd: input,
        outputFd: output,
        owner: handle,
        senders: stream.namesSenders,
        digests,
      });
      const peer = await this.#judge(credentials, stream, attestation);
      if (!peer.admitted) attestation.close();
      return { stream, peer };
    } catch (error) {
      attestation?.close();
      stream.destroy();
      throw error;
    }
  }

  async #judge(
    shim: Credentials,
    stream: PeerStream,
    attestation: Attestation,
  ): Promise<AdmittedPeer | RefusedPeer> {
    const { clients, world, trustDomain } = this.#options;
    const evidence = attestation.immediate;
    const account = accountOf(evidence);
    const refuse = (code: PeerRefusal["code"], refused: string): RefusedPeer =>
      asRefused({ code, refused, evidence }, trustDomain);
    if (typeof account === "string") return refuse("ERR_PEER_UNIDENTIFIED", account);
    if (account.uid !== shim.uid) return refuse("ERR_PEER_REFUSED", "shim-other-account");
    return await admitPeer({
      stream,
      attestation,
      clients,
      // Nobody can tell who writes into a pipe: then it is some ancestor of the shim that is taken for the client.
      world: { ...world, via: evidence.transport === "stdio-socket" ? "direct" : "shim" },
      uid: process.geteuid?.(),
      trustDomain,
      handedOverBy: shim.pid,
    });
  }

  async #turnAway(peer: RefusedPeer, stream: PeerStream | undefined, shim: Shim): Promise<void> {
    const refusal = await this.#options.refused(peer);
    if (stream !== undefined) await turnAway(stream, { code: peer.code, refusal });
    const message = refusal === undefined ? "Not admitted" : withId("Not admitted", refusal);
    shim.dismiss({ exit: NOT_ADMITTED, message });
  }

  #refusal(shim: Credentials, refused: string): RefusedPeer {
    const evidence = nobody(known(shim, "kernel"), refused);
    return asRefused({ code: "ERR_PEER_REFUSED", refused, evidence }, this.#options.trustDomain);
  }

  #discard(descriptors: readonly number[], unsafe: readonly number[]): void {
    const { platform, notice } = this.#options;
    for (const fd of descriptors) if (!unsafe.includes(fd)) platform.closeDescriptor(fd);
    this.#stranded += unsafe.length;
    if (this.#stranded < MAX_STRANDED) return;
    notice(
      "Descriptors that cannot be closed were handed over again and again: 'connect' is served no longer",
    );
    this.close();
  }
}

interface Arrival {
  readonly peer: AdmittedPeer | RefusedPeer;
  /** Absent when nothing usable was handed over. */
  readonly stream?: PeerStream;
}
