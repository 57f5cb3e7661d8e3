import { readFileSync } from "node:fs";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { ERROR_CODES } from "../../sidecar/mod.ts";
import { sourcesIn } from "../lint/imports.ts";
import { ROOT } from "../tools/runtimes.ts";

/** Scripts match on these: one is added at a time, and none is ever renamed or removed. */
const PINNED = [
  "ERR_CONFIG_INVALID",
  "ERR_POLICY_INVALID",
  "ERR_POLICY_UNSAFE",
  "ERR_POLICY_EXPIRED",
  "ERR_PLATFORM_UNSUPPORTED",
  "ERR_PEER_UNIDENTIFIED",
  "ERR_PEER_GONE",
  "ERR_PEER_REFUSED",
  "ERR_PEER_UNPROVEN",
  "ERR_SENDER_OTHER",
  "ERR_ATTESTATION_FAILED",
  "ERR_SOCKET_UNSAFE",
  "ERR_FRAME_MALFORMED",
  "ERR_FRAME_TOO_LARGE",
  "ERR_METHOD_UNKNOWN",
  "ERR_DENIED",
  "ERR_TOKEN_INVALID",
  "ERR_TOKEN_EXPIRED",
  "ERR_TOKEN_FOREIGN",
  "ERR_BOOTSTRAP_REQUIRED",
  "ERR_TOO_MANY_PENDING",
  "ERR_SESSION_OVER",
  "ERR_UPSTREAM_LAUNCH",
  "ERR_UPSTREAM_EXITED",
  "ERR_UPSTREAM_MALFORMED",
  "ERR_AUDIT_UNWRITABLE",
  "ERR_AUDIT_INVALID",
  "ERR_INTERNAL",
];

const codes = suite("error codes");
codes("are exactly these, in this order", () => {
  assert.equal([...ERROR_CODES], PINNED);
});

codes("are the only ones the sources speak of", () => {
  const known = new Set<string>(PINNED);
  for (const file of ["sidecar", "wrappers", "policy"].flatMap(sourcesIn)) {
    for (const [word] of readFileSync(join(ROOT, file), "utf8").matchAll(/(?<=["'`])ERR_[A-Z_]+(?=["'`])/g)) {
      // Codes of the runtime's own errors, which we only ever compare with.
      if (
        /^ERR_(SOCKET_CLOSED|STREAM_|CHILD_|IPC_|INVALID_ARG|PARSE_ARGS|UNHANDLED|MODULE_|UNKNOWN_|USE_|WORKER_)/
          .test(word)
      ) continue;
      assert.ok(known.has(word), `${file} uses ${word}`);
    }
  }
});
codes.run();
