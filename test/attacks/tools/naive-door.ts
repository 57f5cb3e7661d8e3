/** A Unix socket that is guarded as guards do it today: look up who connected, then serve the connection. */
import { createServer, type Socket } from "node:net";
import * as assert from "uvu/assert";
import { waitUntil } from "../../harness.ts";
import { look, peerOf, type Seen } from "../naive.ts";

export interface Caller {
  readonly pid: number;
  readonly uid: number;
  /** What the naive check finds out when it looks now. */
  look(): Promise<Seen>;
  /** The next line that it sends. Nothing is read before this is asked for the first time. */
  line(): Promise<string>;
  /** Answers, whatever was asked. */
  answer(): void;
}

export interface NaiveDoor {
  readonly path: string;
  /** The next connection. */
  caller(): Promise<Caller>;
}

/**
 * Lends such a socket at this path.
 *
 * It looks when the test says so. A real guard looks when its turn comes: an attacker who tries often enough, or keeps
 * it busy, finds the moment; here he finds it at once.
 */
export async function withNaiveDoor<T>(path: string, use: (door: NaiveDoor) => Promise<T>): Promise<T> {
  const connections: Socket[] = [];
  const server = createServer({ pauseOnConnect: true }, (socket) => {
    socket.on("error", () => {}); // a program that was killed
    connections.push(socket);
  });
  await new Promise<void>((resolve, reject) => server.once("error", reject).listen(path, resolve));
  let served = 0;
  try {
    return await use({
      path,
      async caller() {
        const number = served++;
        await waitUntil(() => connections.length > number);
        return callerOf(connections[number]!);
      },
    });
  } finally {
    for (const socket of connections) socket.destroy();
    await new Promise((resolve) => server.close(resolve));
  }
}

function callerOf(socket: Socket): Caller {
  const peer = peerOf((socket as unknown as { _handle: { fd: number } })._handle.fd);
  let text = "";
  let reading = false;
  const read = () => {
    if (reading) return;
    reading = true;
    socket.setEncoding("utf8").on("data", (chunk: string) => void (text += chunk)).resume();
  };
  return {
    ...peer,
    look: () => look(peer),
    async line() {
      read();
      await waitUntil(() => text.includes("\n"));
      const line = text.slice(0, text.indexOf("\n"));
      text = text.slice(line.length + 1);
      return line;
    },
    answer: () => void socket.write('{"jsonrpc":"2.0","id":"evil-0","result":{}}\n'),
  };
}

/** Goes on to serve the caller, as a guard does who found nothing wrong: the attack has reached its end. */
export async function serve(caller: Caller): Promise<void> {
  assert.match(await caller.line(), /initialize/);
  caller.answer();
  assert.match(await caller.line(), /injected/);
}
