/** The process that connects to the doors which `admission` opens: one for all of them, so that it is known. */
import { type ChildProcessByStdio, spawn } from "node:child_process";
import { createInterface, type Interface } from "node:readline";
import type { Readable, Writable } from "node:stream";
import type { Place } from "./affinity.ts";
import { cpuMs } from "./process-costs.ts";
import { spreadOf } from "./statistics.ts";
import { environment, fixture } from "./subjects.ts";

export class DoorClient {
  readonly #child: ChildProcessByStdio<Writable, Readable, null>;
  readonly #answers: Interface;
  readonly #gone: Promise<never>;

  constructor() {
    this.#child = spawn(process.execPath, [fixture("door-client.mjs")], {
      stdio: ["pipe", "pipe", "inherit"],
      env: environment(undefined),
    });
    this.#answers = createInterface({ input: this.#child.stdout });
    this.#gone = new Promise((_, reject) => {
      this.#child.once("exit", (code, signal) => reject(new Error(`The peer ended (${code ?? signal})`)));
    });
    this.#gone.catch(() => {}); // Told to whoever waits for it.
  }

  /**
   * Connects so many times, one after the other.
   *
   * @returns What one took, in ms: on one core the CPU time of both processes, what follows after the answer included;
   * else the median by the peer's clock.
   */
  async connect(place: Place, path: string, count: number): Promise<number> {
    const answer = new Promise<string>((resolve) => this.#answers.once("line", resolve));
    const before = this.#cpuMs();
    this.#child.stdin.write(`${JSON.stringify({ path, count })}\n`);
    const times = JSON.parse(await Promise.race([answer, this.#gone])) as number[];
    return place === "one core" ? (this.#cpuMs() - before) / count : spreadOf(times).median;
  }

  #cpuMs(): number {
    // Of ourselves as the kernel sums it up, since hashing threads end meanwhile.
    const { user, system } = process.cpuUsage();
    return (user + system) / 1000 + cpuMs(this.#child.pid ?? -1);
  }

  close(): void {
    this.#child.stdin.end();
  }
}
