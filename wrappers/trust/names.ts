import { isTrustName, visible } from "../../sidecar/mod.ts";
import { UsageError } from "../arguments.ts";

/** The name of an entry or a client, which becomes part of a SPIFFE ID. @throws {UsageError} for any other text. */
export function checkName(name: string): string {
  if (isTrustName(name)) return name;
  throw new UsageError(
    `A name is 1 to 64 of A-Z a-z 0-9 . _ - and begins with a letter or digit, not ${visible(name)}`,
  );
}
