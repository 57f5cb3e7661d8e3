/**
 * A raw MCP client over a child's stdio, cheap enough not to be what is measured: answers are counted, and known to be
 * right by their exact length, which a first one of the same kind, looked at in full, sets.
 */
import type { Buffer } from "node:buffer";
import { type ChildProcessByStdio, spawn } from "node:child_process";
import type { Readable, Writable } from "node:stream";
import type { CallTemplate } from "./messages.ts";
import { OPENING } from "./messages.ts";

export type Answer = Readonly<Record<string, unknown>>;

export interface ConnectionOptions {
  readonly command: readonly string[];
  readonly cwd: string;
  readonly env: Readonly<Record<string, string | undefined>>;
}

const PATIENCE_MS = 30_000;

/** One running server, guarded or not. Node gives it socket pairs, as node-built MCP clients do. */
export class Connection {
  readonly #child: ChildProcessByStdio<Writable, Readable, Readable>;
  readonly #closed: Promise<void>;
  #onData: ((chunk: Buffer) => void) | undefined;
  #onGone: ((error: Error) => void) | undefined;
  #said = "";
  #nextId = 1;
  /** Bytes of one answer to a template. */
  readonly #lengths = new Map<CallTemplate, number>();

  constructor({ command, cwd, env }: ConnectionOptions) {
    const [program = "", ...args] = command;
    this.#child = spawn(program, args, { cwd, env: { ...env }, stdio: ["pipe", "pipe", "pipe"] });
    this.#child.stdout.on("data", (chunk: Buffer) => this.#onData?.(chunk));
    this.#child.stderr.setEncoding("utf8").on("data", (text: string) => {
      this.#said = (this.#said + text).slice(-600);
    });
    this.#child.stdin.on("error", () => {}); // EPIPE: told by the exit
    this.#child.once("error", (error) => this.#onGone?.(error));
    this.#closed = new Promise((resolve) => {
      this.#child.once("close", (code, signal) => {
        this.#onGone?.(new Error(`'${command.join(" ")}' ended (${code ?? signal}): ${this.#said.trim()}`));
        resolve();
      });
    });
  }

  get pid(): number {
    return this.#child.pid ?? -1;
  }

  get stdin(): Writable {
    return this.#child.stdin;
  }

  get stdout(): Readable {
    return this.#child.stdout;
  }

  /** The legacy handshake, each step after the answer to the one before, as clients do it. */
  async initialize(): Promise<Answer> {
    const answer = await this.request("initialize", OPENING);
    this.stdin.write('{"jsonrpc":"2.0","method":"notifications/initialized"}\n');
    return answer;
  }

  /** One request. @returns Its answer. @throws {Error} when it is refused: what is measured would be a refusal. */
  async request(method: string, params: unknown = {}): Promise<Answer> {
    const answer = await this.#ask(method, params);
    if (isAnswered(answer)) return answer;
    throw new Error(`Refused: ${JSON.stringify(answer).slice(0, 300)} ${this.#said.trim()}`);
  }

  #ask(method: string, params: unknown): Promise<Answer> {
    const id = this.#nextId++;
    this.stdin.write(`${JSON.stringify({ jsonrpc: "2.0", id, method, params })}\n`);
    return this.#until(`the answer to ${method}`, (resolve) =>
      readLines((line) => {
        const message = JSON.parse(line) as Answer;
        if (message["id"] === id && !("method" in message)) resolve(message);
      }));
  }

  /** The same for a call of a tool. */
  call(name: string, args: unknown): Promise<Answer> {
    return this.request("tools/call", { name, arguments: args });
  }

  /** Sends `count` calls with `inFlight` of them on their way at any time, until the last is answered. */
  async burst(template: CallTemplate, count: number, inFlight: number): Promise<void> {
    const length = this.#lengths.get(template) ?? await this.#lengthOf(template);
    let sent = Math.min(count, inFlight);
    let received = 0;
    let answered = 0;
    const done = this.#until(`${count} answers`, (resolve) => (chunk) => {
      received += chunk.length;
      const answers = Math.floor(received / length);
      const more = Math.min(answers - answered, count - sent);
      answered = answers;
      if (more > 0) {
        sent += more;
        this.stdin.write(template.take(more));
      } else if (answered >= count) resolve(undefined);
    });
    this.stdin.write(template.take(sent));
    await done;
    if (received !== count * length) {
      throw new Error(`Answers differ in length: some were not what was asked for`);
    }
  }

  async #lengthOf(template: CallTemplate): Promise<number> {
    let length = 0;
    const first = this.#until<Answer>("a first answer", (resolve) => {
      const lines = readLines((line) => resolve(JSON.parse(line) as Answer));
      return (chunk) => {
        length += chunk.length;
        lines(chunk);
      };
    });
    this.stdin.write(template.take(1));
    const answer = await first;
    if (!isAnswered(answer)) {
      throw new Error(`Refused: ${JSON.stringify(answer).slice(0, 300)} ${this.#said.trim()}`);
    }
    this.#lengths.set(template, length);
    return length;
  }

  #until<T>(what: string, read: (resolve: (value: T) => void) => (chunk: Buffer) => void): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      const timer = setTimeout(
        () => this.#onGone?.(new Error(`Waited too long for ${what}: ${this.#said}`)),
        PATIENCE_MS,
      );
      this.#onGone = (error) => {
        clearTimeout(timer);
        reject(error);
      };
      this.#onData = read((value) => {
        clearTimeout(timer);
        this.#onData = undefined;
        this.#onGone = undefined;
        resolve(value);
      });
    });
  }

  /** Ends it by the end of its input, and by force where that does not help. */
  async close(): Promise<void> {
    this.stdin.end();
    this.stdout.resume();
    const timer = setTimeout(() => this.#child.kill("SIGKILL"), 5_000);
    await this.#closed;
    clearTimeout(timer);
  }
}

/** What was already under way when reading began may be the rest of a line: it is left out. */
function readLines(take: (line: string) => void): (chunk: Buffer) => void {
  let rest = "";
  return (chunk) => {
    const lines = (rest + chunk.toString()).split("\n");
    rest = lines.pop() ?? "";
    for (const line of lines) if (line.startsWith("{")) take(line);
  };
}

function isAnswered(answer: Answer): boolean {
  const result = answer["result"] as Answer | undefined;
  return result !== undefined && result["isError"] !== true;
}
