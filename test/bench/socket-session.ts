/** A session at a guard's Unix socket: one call at a time, each answer of the length of the first. */
import type { Buffer } from "node:buffer";
import { connect, type Socket } from "node:net";
import { type CallTemplate, OPENING } from "./messages.ts";

const PATIENCE_MS = 30_000;

export class SocketSession {
  readonly #socket: Socket;

  /** Connects and goes through the handshake, one call of a tool included. */
  static async open(path: string): Promise<SocketSession> {
    const socket = connect(path);
    await new Promise((resolve, reject) => socket.once("connect", resolve).once("error", reject));
    const session = new SocketSession(socket);
    await session.#ask(
      `${JSON.stringify({ jsonrpc: "2.0", id: 0, method: "initialize", params: OPENING })}\n`,
    );
    socket.write('{"jsonrpc":"2.0","method":"notifications/initialized"}\n');
    return session;
  }

  private constructor(socket: Socket) {
    this.#socket = socket;
  }

  /** So many calls, one after the other. @throws {Error} when an answer is a refusal, or of another length. */
  async trips(template: CallTemplate, count: number): Promise<void> {
    let length: number | undefined;
    for (let i = 0; i < count; i++) {
      const answer = await this.#ask(template.take(1));
      if (length === undefined && !isAnswered(answer)) throw new Error(`Refused: ${answer.toString()}`);
      if (answer.length !== (length ??= answer.length)) {
        throw new Error(`Another answer: ${answer.toString()}`);
      }
    }
  }

  close(): void {
    this.#socket.destroy();
  }

  #ask(line: string | Buffer): Promise<Buffer> {
    return new Promise((resolve, reject) => {
      const over = (): void => {
        clearTimeout(timer);
        this.#socket.off("data", take).off("close", gone);
      };
      const gone = (): void => {
        over();
        reject(new Error("The session ended, or no answer came"));
      };
      const timer = setTimeout(gone, PATIENCE_MS);
      const take = (chunk: Buffer): void => {
        if (chunk.at(-1) !== 0x0a) return gone();
        over();
        resolve(chunk);
      };
      this.#socket.on("data", take).once("close", gone);
      this.#socket.write(line);
    });
  }
}

function isAnswered(answer: Buffer): boolean {
  const { result } = JSON.parse(answer.toString()) as { result?: { isError?: boolean } };
  return result !== undefined && result.isError !== true;
}
