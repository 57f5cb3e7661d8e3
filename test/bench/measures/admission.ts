/**
 * What it costs a peer to be let in at the Unix door: from its connect to the first byte it is answered, in the real door
 * with all that is attested and judged there, less what a plain server of the runtime takes for the same.
 *
 * No server is started for the peer, and no session: those are what `start` measures. A first tool call also waits until
 * all is known that the audit log says of the peer, every ancestor included: the last row.
 */
import { Buffer } from "node:buffer";
import { createHash } from "node:crypto";
import { mkdirSync, readFileSync } from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import type { Clients } from "../../../policy/clients.ts";
import { loadPolicy } from "../../../policy/mod.ts";
import { realPath } from "../../../sidecar/config/real-path.ts";
import { Capacity } from "../../../sidecar/front/capacity.ts";
import type { DoorOptions } from "../../../sidecar/front/door.ts";
import { UnixDoor } from "../../../sidecar/front/unix-door.ts";
import type { AdmittedPeer } from "../../../sidecar/gate/admission/admit.ts";
import { createDigests, type Digests } from "../../../sidecar/platform/digests.ts";
import { openPlatform } from "../../../sidecar/platform/open-platform.ts";
import { DoorClient } from "../door-client.ts";
import type { Measure } from "../measure.ts";
import { type Row, rowsOver } from "../rows.ts";
import { interleave } from "../statistics.ts";
import { type Bench, fixture } from "../subjects.ts";

const ANSWER = Buffer.from('{"jsonrpc":"2.0","id":1,"result":{}}\n');
const CLIENT = fixture("door-client.mjs");
const PLAIN = "a plain server of the runtime";

export const admission: Measure = {
  name: "admission",
  summary: "a peer at the Unix door, from connect to the first byte",
  places: ["one core", "free"],
  async run({ bench, quick, place }): Promise<Row[]> {
    const folder = join(bench.folder, `doors-${place.replace(" ", "-")}`);
    mkdirSync(folder, { mode: 0o700 });
    const doors = await openDoors(folder, await clientsOf(bench));
    const client = new DoorClient();
    try {
      const known = async ({ path }: Door) => await client.connect(place, path, quick ? 25 : 50);
      for (const door of doors.all) await known(door);
      const values = await interleave(doors.all, quick ? 3 : 8, known);
      const rows = rowsOver(PLAIN, "admission, executable known", place, "ms", named(values));
      doors.forget(true);
      const asked = doors.all.filter(({ name }) => name !== "guard, no clients");
      const unknown = async ({ path }: Door) => await client.connect(place, path, 1);
      const first = await interleave(asked, quick ? 2 : 5, unknown);
      return [...rows, ...rowsOver(PLAIN, "admission, executable unknown", place, "ms", named(first))];
    } finally {
      client.close();
      doors.close();
    }
  },
};

function named(values: ReadonlyMap<Door, readonly number[]>): Map<string, readonly number[]> {
  return new Map([...values].map(([{ name }, own]) => [name, own]));
}

interface Door {
  readonly name: string;
  readonly path: string;
}

interface Doors {
  readonly all: readonly Door[];
  /** From now on each peer is the first of its kind: nothing is known of any executable. */
  forget(always: boolean): void;
  close(): void;
}

async function openDoors(folder: string, clients: Clients): Promise<Doors> {
  // The peer sees that it is not let in, and fails the run; here is why.
  const notice = (text: string): void => void process.stderr.write(`${text}\n`);
  const kept = createDigests({ folder: () => undefined });
  const fresh: Digests[] = [];
  let forgetful = false;
  const digests = (): Digests => {
    if (!forgetful) return kept;
    fresh.push(createDigests({ folder: () => undefined }));
    return fresh.at(-1)!;
  };
  const plain = createServer((socket) => socket.once("data", () => socket.write(ANSWER)));
  const paths = {
    plain: join(folder, "plain"),
    open: join(folder, "open"),
    named: join(folder, "named"),
    whole: join(folder, "whole"),
  };
  await new Promise<void>((resolve) => plain.listen(paths.plain, resolve));
  const open = async (path: string, clients: Clients | undefined, serve: DoorOptions["serve"]) =>
    await UnixDoor.open({
      platform: openPlatform(),
      path,
      get digests() {
        return digests();
      },
      clients,
      world: { trusted: () => [], via: "direct" },
      trustDomain: "localhost",
      capacity: new Capacity(() => 64),
      serve,
      refused: ({ reasons }) => Promise.reject(new Error(`Refused: ${reasons.join("; ")}`)),
      notice,
    });
  const opened = [
    await open(paths.open, undefined, admitAlone),
    await open(paths.named, clients, admitAlone),
    await open(paths.whole, clients, (peer) => serve(peer, peer.complete())),
  ];
  return {
    all: [
      { name: PLAIN, path: paths.plain },
      { name: "guard, no clients", path: paths.open },
      { name: "guard, executable and script", path: paths.named },
      { name: "guard, all that is audited", path: paths.whole },
    ],
    forget: (always) => void (forgetful = always),
    close() {
      plain.close();
      for (const door of opened) door.close();
      for (const each of [kept, ...fresh]) each.close();
    },
  };
}

const admitAlone = (peer: AdmittedPeer): Promise<number> => serve(peer, Promise.resolve());

/** A session that answers the first frame, once something is known, and ends with its peer. */
async function serve(peer: AdmittedPeer, known: Promise<unknown>): Promise<number> {
  await new Promise<void>((resolve) => {
    peer.stream.start({
      data: () => void known.then(() => peer.stream.write(ANSWER)),
      end: resolve,
      error: () => resolve(),
      drain: () => {},
      lost: () => resolve(),
    });
  });
  peer.stream.destroy();
  peer.close();
  return 0;
}

/** Lets in one script of one node. Its parents are measured all the same, for the audit. */
async function clientsOf({ project }: Bench): Promise<Clients> {
  const digest = (file: string) => createHash("sha256").update(readFileSync(file)).digest("hex");
  const text = `version: 1
name: bench
clients:
  - name: bench
    executable: {sha256: ${digest(process.execPath)}}
    script: {sha256: ${digest(CLIENT)}}
    grade: heuristic
rules:
  - {name: all, tools: ["*"], effect: allow}
`;
  const { policy, problems } = await loadPolicy(text, "bench.yaml", {
    variables: {},
    cwd: project,
    realPath,
    ...(process.geteuid === undefined ? {} : { ownUid: process.geteuid() }),
  });
  if (policy?.clients === undefined) throw new Error(problems.map((it) => it.message).join("; "));
  return policy.clients;
}
