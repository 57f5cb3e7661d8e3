import { randomBytes } from "node:crypto";

/** A session's id in the audit log and in tokens: unique, and no secret. */
export function newSessionId(): string {
  return randomBytes(9).toString("base64url");
}
