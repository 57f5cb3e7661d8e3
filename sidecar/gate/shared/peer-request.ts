/** A request of one peer's as it stands in its line, and what may go on in its place. */
import { Buffer } from "node:buffer";
import { Slot } from "../../protocol/keys.ts";
import type { MessageSlots } from "../../relay/message-slots.ts";
import type { RpcId } from "../pending.ts";
import type { Question } from "./asked.ts";
import type { Share } from "./share.ts";
import type { Splice } from "./splice.ts";

export interface PeerRequest {
  readonly share: Share;
  /** Its line is `bytes[start..end)`. */
  readonly bytes: Buffer;
  readonly start: number;
  readonly end: number;
  readonly method: string;
  readonly rpcId: RpcId;
  /** Its id as the peer spelled it. */
  readonly id: Buffer;
  readonly modern: boolean;
  /** Where its parts are: good until the next line is scanned. */
  readonly scanner: MessageSlots;
}

/** What is changed of a request beside its id and progress token, and what is done with its answer. */
export type More = Pick<Question, "answered" | "outlives"> & { readonly splices?: readonly Splice[] };

/** A copy of a value's bytes; empty where it is absent. */
export function valueAt(bytes: Buffer, scanner: MessageSlots, slot: Slot): Buffer {
  return Buffer.from(bytes.subarray(scanner.start(slot), scanner.end(slot)));
}

/** Longest progress token, in bytes: it is remembered for as long as the request is pending. */
const LONGEST_TOKEN = 1024;

/** Whether a request has no progress token, or one that is a string or a number and not too long. */
export function hasFairToken(scanner: MessageSlots): boolean {
  const first = scanner.first(Slot.metaProgressToken);
  if (first === 0) return true;
  if (scanner.end(Slot.metaProgressToken) - scanner.start(Slot.metaProgressToken) > LONGEST_TOKEN) {
    return false;
  }
  return first === 0x22 || first === 0x2d || (first >= 0x30 && first <= 0x39);
}
