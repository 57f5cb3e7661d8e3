/** Whoever floods, and whoever does not read: the guard's memory stays as it is. */
import { Buffer } from "node:buffer";
import { setTimeout as delay } from "node:timers/promises";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { type GuardProcess, limited, withGuard } from "../harness.ts";
import { descendantsOf, residentBytes } from "./processes.ts";
import { endOf, fixture, NODE } from "./puppet.ts";

const MEBIBYTE = 1 << 20;
const OFFERED = 200;
/** Far more than any buffer of ours, and far less than what is offered. */
const MOST_GROWTH = 60 * MEBIBYTE;

/** A mebibyte of this line. It is one buffer, however often it is offered: only the guard's memory can grow. */
function mebibyteOf(line: string): Buffer {
  return Buffer.from(`${line}\n`.repeat(Math.ceil(MEBIBYTE / (line.length + 1))));
}

/** Looks at the guard's memory for a while. @returns The most that it was over what it is now. */
async function growth(guard: GuardProcess, act: () => void, ms = 4_000): Promise<number> {
  const before = residentBytes(guard.pid);
  act();
  let most = 0;
  for (const end = performance.now() + ms; performance.now() < end; await delay(50)) {
    most = Math.max(most, residentBytes(guard.pid) - before);
  }
  return most;
}

function assertFlat(bytes: number, most = MOST_GROWTH): void {
  assert.ok(bytes < most, `its memory grew by ${Math.round(bytes / MEBIBYTE)} MiB`);
}

const it = suite("back-pressure");

for (
  const { name, server, line } of [
    {
      name: "with lines that are answered by the guard",
      server: "echo.mjs",
      line: '{"jsonrpc":"2.0","id":1,"method"',
    },
    {
      name: "with requests that are answered by the server",
      server: "echo.mjs",
      line: '{"jsonrpc":"2.0","id":"a","method":"tools/list"}',
    },
    {
      name: "with notifications, and a server that reads nothing",
      server: "never-reads.mjs",
      line: '{"jsonrpc":"2.0","method":"notifications/progress","params":{"progressToken":1,"progress":1}}',
    },
  ]
) {
  it(
    `a client that reads nothing floods ${name}: memory stays flat`,
    limited(60_000, () =>
      withGuard({ server: [NODE, fixture(server)] }, async (guard) => {
        await guard.initialize();
        const flood = mebibyteOf(line);
        guard.pauseReading();
        try {
          assertFlat(
            await growth(guard, () => {
              for (let i = 0; i < OFFERED; i++) guard.write(flood);
            }),
          );
        } finally {
          process.kill(guard.pid, "SIGKILL"); // Else all of it is still answered, line by line.
        }
        await endOf(guard);
      })),
  );
}

it(
  "a client that never ends its line: what is over the limit is not kept",
  limited(60_000, () =>
    withGuard({ server: [NODE, fixture("echo.mjs")] }, async (guard) => {
      await guard.initialize();
      const flood = Buffer.alloc(MEBIBYTE, "x");
      try {
        const grown = await growth(guard, () => {
          for (let i = 0; i < OFFERED; i++) guard.write(flood);
        });
        // Deno frees the buffers it reads into late when nothing else is allocated: measured over 5 GiB it came to a
        // stop at some 350 MiB. Kept lines would be all that was offered.
        assertFlat(grown, "Deno" in globalThis ? (OFFERED - 50) * MEBIBYTE : MOST_GROWTH);
      } finally {
        process.kill(guard.pid, "SIGKILL");
      }
      await endOf(guard);
    })),
);

it(
  "a server that floods a client which reads nothing: memory stays flat, and the server waits",
  limited(60_000, () =>
    withGuard({ server: [NODE, fixture("floods.mjs")] }, async (guard) => {
      await guard.initialize();
      guard.pauseReading();
      await delay(500);
      assertFlat(await growth(guard, () => {}));
      const [server] = descendantsOf(guard.pid);
      assert.ok(
        server !== undefined && residentBytes(server) < 300 * MEBIBYTE,
        "the server could go on writing",
      );
      guard.resumeReading();
      assert.equal((await guard.request("ping", {}, 20_000))["result"], {});
    })),
);

it.run();
