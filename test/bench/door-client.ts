/** The process that connects to the doors which `admission` opens: one for all of them, so that it is known. */
import { type ChildProcessByStdio, spawn } from "node:child_process";
import { createInterface, type Interface } from "node:readline";
import type { Readable, Writable } from "node:stream";
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

  /** Connects so many times, one after the other. @returns The median of how long that took, in ms. */
  async median(path: string, count: number): Promise<number> {
    const answer = new Promise<string>((resolve) => this.#answers.once("line", resolve));
    this.#child.stdin.write(`${JSON.stringify({ path, count })}\n`);
    return spreadOf(JSON.parse(await Promise.race([answer, this.#gone])) as number[]).median;
  }

  close(): void {
    this.#child.stdin.end();
  }
}
