import { GuardError, messageOf } from "../model/errors.ts";

/** The kernel's refusal as `ERR_AUDIT_UNWRITABLE`; a GuardError stays what it is. */
export function unwritable(action: string, cause: unknown): GuardError {
  if (cause instanceof GuardError) return cause;
  return new GuardError("ERR_AUDIT_UNWRITABLE", `Cannot ${action}: ${messageOf(cause)}`, { cause });
}
