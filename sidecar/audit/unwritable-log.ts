import { GuardError } from "../model/errors.ts";
import type { AuditLog } from "./audit-log.ts";
import { newChainId, RefusalIds } from "./record/ids.ts";
import { KeyedDigest } from "./record/keyed-digest.ts";

/**
 * Stands in where a log that is not mandatory could not be opened.
 *
 * It keeps nothing and says so at each flush, so that going on without a record is the caller's decision, every time.
 */
export class UnwritableLog implements AuditLog {
  readonly chain: string = newChainId();
  readonly mandatory = false;
  readonly #reason: GuardError;
  readonly #refusals: RefusalIds = new RefusalIds(this.chain);
  readonly #digest = new KeyedDigest();
  #queued = false;

  constructor(reason: GuardError) {
    this.#reason = reason;
  }

  identify(): void {}

  adoptPolicy(): void {}

  forget(): void {}

  append(): void {
    this.#queued = true;
  }

  flush(): void {
    if (!this.#queued) return;
    this.#queued = false;
    throw new GuardError("ERR_AUDIT_UNWRITABLE", this.#reason.message, { cause: this.#reason });
  }

  refusalId(): string {
    return this.#refusals.next();
  }

  digestArguments(bytes: Uint8Array): string {
    return this.#digest.digest(bytes);
  }

  close(): void {}
}
