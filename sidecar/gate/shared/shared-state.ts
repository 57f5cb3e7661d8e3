/** What both directions of a shared server have in common. */
import { Buffer } from "node:buffer";
import type { Era } from "../../protocol/methods.ts";
import { Outbox } from "../../relay/outbox.ts";
import { errorLine } from "../refusal.ts";
import { AskedOfPeers } from "./asked-of-peers.ts";
import { AskedTable, type Question } from "./asked.ts";
import { Doubts } from "./doubts.ts";
import { LogLevels } from "./log-levels.ts";
import type { Share } from "./share.ts";
import { Subscriptions } from "./subscriptions.ts";
import { Tasks } from "./tasks.ts";
import { Turns } from "./turns.ts";

/** The turn of a request that opens the server, and its method. */
export const OPENING = "initialize";

const NOBODY = Buffer.alloc(0);

export class SharedState {
  readonly shares = new Set<Share>();
  readonly asked = new AskedTable();
  readonly askedOfPeers = new AskedOfPeers();
  readonly subscriptions = new Subscriptions();
  readonly levels = new LogLevels();
  readonly tasks = new Tasks();
  readonly turns = new Turns();
  readonly doubts = new Doubts();
  readonly toChild = new Outbox(undefined);
  /** The era that the server speaks for life; undefined until it has answered something of one. */
  era: Era | undefined;
  /** Counts chunks of the server's. */
  tick = 0;

  /** Whether it was opened in the legacy era, or is being so. */
  get isLegacy(): boolean {
    return this.era === "legacy" || this.turns.isTaken(OPENING);
  }

  /** The session that a message must be meant for, since there is no other, and was none until lately. */
  onlyShare(): Share | undefined {
    const [share, other] = this.shares;
    return share === undefined || other !== undefined || this.doubts.about(share) ? undefined : share;
  }

  /** Asks the server something of our own; the answer goes to nobody. @returns The number of the question. */
  askOwn(method: string, params: string): number {
    const question: Question = { share: undefined, rpcId: "", id: NOBODY, method, modern: false };
    const number = this.asked.add(question, this.tick);
    this.toChild.send(`{"jsonrpc":"2.0","id":${number},"method":"${method}","params":${params}}`);
    return number;
  }

  tell(level: string | undefined): void {
    if (level !== undefined) this.askOwn("logging/setLevel", `{"level":"${level}"}`);
  }

  unsubscribe(uri: string): void {
    this.askOwn("resources/unsubscribe", `{"uri":${JSON.stringify(uri)}}`);
  }

  /** Answers a request of the server's with an error; `id` is JSON text. */
  refuseChild(id: string, code: number, sentence: string): void {
    this.toChild.send(errorLine(id, code, sentence));
  }
}
