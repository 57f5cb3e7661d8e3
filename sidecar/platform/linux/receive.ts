/**
 * One read of a Unix socket, with the sender that the kernel names (unix(7), SCM_CREDENTIALS).
 *
 * Trusts: the kernel's word on who called sendmsg. Defends against: bytes without a sender, descriptors that nobody
 * asked for, and anything that did not fit; each of these is an error and its bytes are dropped. Leaves to others: to
 * compare the sender with the session's process, and to look that it still lives after the read.
 */
import { GuardError } from "../../model/errors.ts";
import type { Credentials } from "../../model/evidence.ts";
import type { Calls } from "./calls.ts";
import { parseControl } from "./control-messages.ts";
import type { Message } from "./message.ts";
import { recognize } from "./recognize.ts";

/** What one read gave. `again` is nothing for now; an empty chunk is the end. */
export type Received =
  | { readonly chunk: Buffer; readonly sender: Credentials; readonly descriptors: readonly number[] }
  | "end"
  | "again"
  | Error;

export class Receiver {
  readonly #calls: Calls;
  readonly #expected: number;
  #message: Message | undefined;

  /** @param expected How many descriptors a read may bring along. */
  constructor(calls: Calls, expected: number) {
    this.#calls = calls;
    this.#expected = expected;
  }

  /** Reads once, without blocking. One read never mixes senders: with SO_PASSCRED the kernel stops where they change. */
  receive(fd: number): Received {
    // One set of buffers for all sockets: a read is over, and its bytes copied, before the next begins.
    const message = this.#message ??= this.#calls.newMessage(this.#expected);
    const length = this.#calls.receive(fd, message);
    if (length < 0) return failure(this.#calls.errno());
    const { sender, descriptors, rights } = parseControl(message.control, message.controlLength);
    const unwanted = message.truncated || rights && this.#expected === 0;
    if (length === 0 || unwanted || sender === undefined) this.#drop(descriptors);
    if (length === 0) return "end";
    if (unwanted) return refusal("descriptors were passed along");
    if (sender === undefined) return refusal("the kernel names no sender");
    const chunk = Buffer.allocUnsafe(length);
    message.data.copy(chunk, 0, 0, length);
    return { chunk, sender, descriptors };
  }

  /** Where some are expected they have reached our table, and what cannot be closed safely stays there. */
  #drop(descriptors: readonly number[]): void {
    for (const descriptor of descriptors) {
      if (this.#expected === 0 || recognize(this.#calls, descriptor) !== undefined) {
        this.#calls.close(descriptor);
      }
    }
  }
}

function failure(code: string): Received {
  if (code === "EAGAIN" || code === "EINTR") return "again";
  return Object.assign(new Error(`recvmsg ${code}`), { code, syscall: "recvmsg" });
}

function refusal(what: string): Error {
  return new GuardError("ERR_PEER_UNIDENTIFIED", `Cannot take what was sent: ${what}`);
}
