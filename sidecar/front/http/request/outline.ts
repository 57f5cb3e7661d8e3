/**
 * What of a message the door reads: enough to know whose it is. Whether it may pass is the gate's to say, and what the
 * gate would refuse as ambiguous is not read here either.
 */
import type { Buffer } from "node:buffer";
import { Slot } from "../../../protocol/keys.ts";
import type { Span } from "../../../relay/json-members.ts";
import { StrictScanner } from "../../../relay/strict-scanner.ts";

export interface Outline {
  /** `flawed`: not one message that every parser reads alike. */
  readonly kind: "request" | "notification" | "response" | "flawed";
  readonly method: string | undefined;
  /** JSON text: `1` and `"1"` are two ids. */
  readonly id: string | undefined;
  readonly errorCode: number | undefined;
  /** The member of `_meta` of a request, else of `params` of `notifications/progress`; JSON text. */
  readonly progressToken: string | undefined;
  /** Of `notifications/cancelled`; JSON text. */
  readonly requestId: string | undefined;
  /** The version that `_meta` names: what makes a message one of the modern era. JSON text. */
  readonly claim: string | undefined;
  /** Whether `_meta` holds an object of client capabilities. */
  readonly capabilities: boolean;
  /** What `initialize` asks for. */
  readonly protocolVersion: string | undefined;
  readonly name: string | undefined;
  readonly uri: string | undefined;
  readonly taskId: string | undefined;
  /** Where parts stand that may have to be replaced. */
  readonly spans: Readonly<Record<Part, Span | undefined>>;
}

/** `meta` is the one in `params`, as a whole. */
export type Part = "id" | "progressToken" | "requestId" | "meta" | "result";

const OBJECT = 0x7b;

const scanner = new StrictScanner();

/** Reads a message of the peer's: one line, newline included. */
export function outlineOfPeer(line: Buffer): Outline {
  return outlineOf(line, scanner.scan(line, 0, line.length) !== undefined);
}

/** Reads a message of the server's, which the gate has let through. */
export function outlineOfServer(line: Buffer): Outline {
  // What the gate says itself may name no id, which is a flaw of anybody else's message and none of an error of ours.
  scanner.scanLenient(line, 0, line.length);
  return outlineOf(line, false);
}

function outlineOf(line: Buffer, flawed: boolean): Outline {
  const span = (slot: Slot): Span | undefined =>
    scanner.has(slot) ? { start: scanner.start(slot), end: scanner.end(slot) } : undefined;
  const raw = (slot: Slot): string | undefined =>
    scanner.has(slot) ? line.toString("utf8", scanner.start(slot), scanner.end(slot)) : undefined;
  const method = flawed ? undefined : scanner.text(Slot.method);
  const id = flawed || scanner.id(Slot.id) === undefined ? undefined : raw(Slot.id);
  const code = raw(Slot.errorCode);
  return {
    kind: flawed
      ? "flawed"
      : method === undefined
      ? "response"
      : id === undefined
      ? "notification"
      : "request",
    method,
    id,
    errorCode: code === undefined ? undefined : Number(code),
    progressToken: raw(Slot.metaProgressToken) ?? raw(Slot.progressToken),
    requestId: raw(Slot.requestId),
    claim: raw(Slot.metaProtocolVersion),
    capabilities: scanner.first(Slot.metaClientCapabilities) === OBJECT,
    protocolVersion: scanner.text(Slot.protocolVersion),
    name: scanner.text(Slot.name),
    uri: scanner.text(Slot.uri),
    taskId: scanner.text(Slot.taskId),
    spans: {
      id: span(Slot.id),
      progressToken: span(Slot.metaProgressToken) ?? span(Slot.progressToken),
      requestId: span(Slot.requestId),
      meta: span(Slot.meta),
      result: span(Slot.result),
    },
  };
}
