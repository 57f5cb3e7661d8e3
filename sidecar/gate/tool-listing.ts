/**
 * Asks the server for its tools when a call comes before the peer has listed them. The question is ours: its id cannot
 * be guessed, and the answer goes to nobody else.
 */
import { randomBytes } from "node:crypto";
import { monotonicMs } from "../platform/monotonic.ts";
import type { RpcId } from "./pending.ts";
import type { ToolCatalogue } from "./tool-catalogue.ts";

const TIMEOUT_MS = 10_000;
/** A server that never stops naming next pages is stopped here. */
const MOST_PAGES = 200;

export interface ToolListingActions {
  readonly send: (line: string) => void;
  /** Every page is in the catalogue, or the server has none to give. */
  readonly done: () => void;
}

type Meta = Readonly<Record<string, unknown>>;

export class ToolListing {
  readonly #catalogue: ToolCatalogue;
  readonly #actions: ToolListingActions;
  #asked: string | undefined;
  #pages = 0;
  #meta: Meta | undefined;
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(catalogue: ToolCatalogue, actions: ToolListingActions) {
    this.#catalogue = catalogue;
    this.#actions = actions;
  }

  /** @param call The call that waits: a modern one lends the `_meta` without which its server answers nothing. */
  begin(call: string): void {
    if (this.#asked !== undefined) return;
    this.#meta = modernMeta(call);
    this.#pages = 0;
    this.#timer = setTimeout(() => this.#finish(false), TIMEOUT_MS);
    this.#timer.unref();
    this.#ask(undefined);
  }

  /** @returns Whether the answer was to our question. */
  answer(id: RpcId, line: string, now: number): boolean {
    if (id !== this.#asked) return false;
    const result = resultOf(line);
    if (!Array.isArray(result?.tools)) {
      this.#finish(false);
      return true;
    }
    const first = this.#pages++ === 0;
    const cursor = typeof result.nextCursor === "string" && this.#pages < MOST_PAGES
      ? result.nextCursor
      : undefined;
    this.#catalogue.learn(result.tools, first, cursor === undefined, now);
    if (cursor === undefined) this.#finish(true);
    else this.#ask(cursor);
    return true;
  }

  close(): void {
    clearTimeout(this.#timer);
    this.#asked = undefined;
  }

  #ask(cursor: string | undefined): void {
    this.#asked = `mcp-guard-${randomBytes(12).toString("hex")}`;
    const params = {
      ...(cursor === undefined ? {} : { cursor }),
      ...(this.#meta === undefined ? {} : { _meta: this.#meta }),
    };
    this.#actions.send(JSON.stringify({ jsonrpc: "2.0", id: this.#asked, method: "tools/list", params }));
  }

  #finish(listed: boolean): void {
    this.close();
    if (!listed) this.#catalogue.learnNone(monotonicMs());
    this.#actions.done();
  }
}

/** The members of a call's `_meta` that say in which era it was made; undefined for a legacy one. */
function modernMeta(call: string): Meta | undefined {
  const { params } = JSON.parse(call) as { params?: { _meta?: Meta } };
  const meta = params?._meta;
  if (meta === undefined || !Object.hasOwn(meta, "io.modelcontextprotocol/protocolVersion")) return undefined;
  const wanted = ["protocolVersion", "clientCapabilities", "clientInfo"].map((key) =>
    `io.modelcontextprotocol/${key}`
  );
  return Object.fromEntries(wanted.filter((key) => Object.hasOwn(meta, key)).map((key) => [key, meta[key]]));
}

function resultOf(line: string): { readonly tools?: unknown; readonly nextCursor?: unknown } | undefined {
  try {
    return (JSON.parse(line) as { result?: { tools?: unknown; nextCursor?: unknown } }).result;
  } catch {
    // Only the envelope was checked; a server that answers in broken JSON has no tools.
    return undefined;
  }
}
