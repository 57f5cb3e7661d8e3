/**
 * What the checks of an admitted session cost a frame: its sender, that the peer lives, that it runs the image that was
 * measured. With the real stream and the attestation of this very process at a real socket, in two ways: the checks by
 * themselves, and one frame there and back on top of what a stream that checks nothing takes.
 */
import { Buffer } from "node:buffer";
import { type ChildProcess, spawn } from "node:child_process";
import { createRequire } from "node:module";
import { attestConnection } from "../../../sidecar/attest/attest-connection.ts";
import type { Attestation } from "../../../sidecar/attest/attest.ts";
import { AdmittedStream } from "../../../sidecar/gate/admission/admitted-stream.ts";
import { isKnown } from "../../../sidecar/model/evidence.ts";
import { createDigests } from "../../../sidecar/platform/digests.ts";
import { native } from "../../../sidecar/platform/native.ts";
import { openPlatform } from "../../../sidecar/platform/open-platform.ts";
import type { PeerStream, StreamEvents } from "../../../sidecar/platform/platform.ts";
import type { Place } from "../affinity.ts";
import type { Measure } from "../measure.ts";
import { timeOf } from "../process-costs.ts";
import { type Row, rowsOver } from "../rows.ts";
import { interleave, spreadOf } from "../statistics.ts";
import { environment, fixture } from "../subjects.ts";

const FRAME_BYTES = 200;
const CHECKS = 5_000;
const ALONE = "checks of a frame, by themselves";
const KINDS = { plain: "nothing checked", account: "sender, alive", image: "sender, alive, image" } as const;
type Kind = keyof typeof KINDS;

export const frames: Measure = {
  name: "frames",
  summary: "the checks of each frame of an admitted session",
  places: ["one core", "free"],
  async run({ quick, place }): Promise<Row[]> {
    const kinds = Object.keys(KINDS) as Kind[];
    const echoes = new Map(kinds.map((kind) => [kind, new Echo(kind)]));
    const count = quick ? 1_000 : 4_000;
    const once = async (kind: Kind) => {
      const echo = echoes.get(kind)!;
      return await timeOf(place, echo.pid, () => Promise.resolve(echo.trips(count))) * 1000 / count;
    };
    try {
      for (const kind of kinds) await once(kind);
      const values = await interleave(kinds, quick ? 5 : 11, once);
      const named = new Map([...values].map(([kind, own]) => [KINDS[kind], own]));
      return [
        ...await checksAlone(quick ? 5 : 11, place),
        ...rowsOver(KINDS.plain, "frame there and back", place, "µs", named),
      ];
    } finally {
      for (const echo of echoes.values()) echo.close();
    }
  },
};

/** Frames are handed to the admitted stream as its socket would. */
async function checksAlone(repetitions: number, place: Place): Promise<Row[]> {
  const platform = openPlatform();
  const digests = createDigests({ folder: () => undefined });
  const pair = platform.socketPair();
  const attestation = attestConnection(platform, pair[0], { digests, mayAdmit: () => true });
  if ("refused" in attestation) throw new Error(attestation.refused);
  try {
    await attestation.gather(new Set(["executable"]));
    const checked = [false, true].map((image) => feed(attestation, image));
    const once = async ({ frame }: Fed) => {
      const begun = process.cpuUsage();
      for (let i = 0; i < CHECKS; i++) frame();
      const { user, system } = process.cpuUsage(begun);
      return await Promise.resolve((user + system) / CHECKS);
    };
    for (const each of checked) await once(each);
    const values = await interleave(checked, repetitions, once);
    for (const { stream } of checked) stream.destroy();
    return [...values].map(([{ subject }, own]) => {
      return { measure: ALONE, place, subject, unit: "µs", value: spreadOf(own), ratio: undefined };
    });
  } finally {
    attestation.close();
    digests.close();
    for (const fd of pair) platform.closeDescriptor(fd);
  }
}

interface Fed {
  readonly subject: string;
  readonly stream: AdmittedStream;
  /** One frame comes in. */
  frame(): void;
}

function feed(attestation: Attestation, image: boolean): Fed {
  let events: StreamEvents | undefined;
  const source: PeerStream = {
    namesSenders: true,
    buffered: 0,
    start: (listening) => void (events = listening),
    waiting: () => 0,
    write: () => true,
    pause() {},
    resume() {},
    end() {},
    destroy() {},
  };
  const { credentials } = attestation.immediate;
  if (!isKnown(credentials)) throw new Error(credentials.absent);
  const from = credentials.value;
  const stream = new AdmittedStream(source, attestation, {
    from,
    sender: "every",
    early: 0,
    proof: "required",
    image,
  });
  let passed = 0;
  const wrong = (): never => {
    throw new Error("A check failed");
  };
  stream.start({ data: () => void passed++, end: wrong, error: wrong, drain() {}, lost: wrong });
  const chunk = Buffer.alloc(FRAME_BYTES, "x");
  const frame = (): void => events?.data(chunk, { ...from });
  frame();
  if (passed !== 1) throw new Error("A frame was not handed on");
  return { subject: image ? KINDS.image : KINDS.account, stream, frame };
}

/** A process that sends back what it is sent. We write and read by blocking calls, so that our own part stays small. */
class Echo {
  readonly #child: ChildProcess;
  readonly #fd: number;
  readonly #frame = Buffer.alloc(FRAME_BYTES, "x");
  readonly #write = native().func("int64 write(int fd, void *bytes, size_t count)");
  readonly #read = native().func("int64 read(int fd, void *bytes, size_t count)");

  constructor(kind: Kind) {
    const platform = openPlatform();
    const [ours, theirs] = platform.socketPair();
    this.#fd = ours;
    const tsx = createRequire(import.meta.url).resolve("tsx");
    this.#child = spawn(process.execPath, ["--import", tsx, fixture("checked-echo.ts"), kind], {
      stdio: [theirs, "ignore", "inherit"],
      env: environment(undefined),
    });
    platform.closeDescriptor(theirs);
  }

  get pid(): number {
    return this.#child.pid ?? -1;
  }

  trips(count: number): void {
    const into = Buffer.alloc(FRAME_BYTES);
    for (let trip = 0; trip < count; trip++) {
      if (this.#write(this.#fd, this.#frame, FRAME_BYTES) !== FRAME_BYTES) {
        throw new Error("No frame is taken");
      }
      for (let got = 0; got < FRAME_BYTES;) {
        const length = Number(this.#read(this.#fd, into, FRAME_BYTES - got));
        if (length <= 0) throw new Error("The stream has ended: a check failed");
        got += length;
      }
    }
  }

  close(): void {
    this.#child.kill("SIGKILL");
    openPlatform().closeDescriptor(this.#fd);
  }
}
