/**
 * The same on the way of standard streams: a socket that an ancestor of the streams' owner made. The owner is a child of
 * the peer, as a guard is of its client.
 */
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { attestStdio } from "../../sidecar/attest/attest-stdio.ts";
import type { Credentials, Fact } from "../../sidecar/model/evidence.ts";
import { limited, skipUnless } from "../harness.ts";
import { DISPENSABLE, OF_STREAMS } from "./dispensable.ts";
import { type Attest, childOf, REPLACES, withScene } from "./scene.ts";
import { tryAll } from "./try-all.ts";

let child: number | undefined;

const attest: Attest = (platform, fd, digests) => {
  // Known from the first round, which is without faults: these are not the guard's calls.
  child ??= childOf(pidOf(platform.peerCredentials(fd)));
  const owner = platform.openProcess(child);
  if (owner === undefined) return { refused: "owner", code: "ERR_PEER_GONE" };
  try {
    return attestStdio(platform, { inputFd: fd, outputFd: fd, senders: true, owner, digests });
  } catch (error) {
    // Whoever calls it turns this into a refusal: the guard does not start, the door closes.
    return { refused: String(error), code: "threw" };
  } finally {
    owner.close();
  }
};

function pidOf(credentials: Fact<Credentials>): number {
  assert.ok("value" in credentials);
  return credentials.value.pid;
}

const faults = suite("faults on the way to an admission by standard streams");

faults(
  "each call with each errno, and with nothing where something is read",
  limited(110_000, () =>
    withScene(attest, async (scene) => {
      if (!REPLACES) skipUnless(false, "this runtime's file calls cannot be made to fail: only our own were");
      const made = ["socketOption", "open", "readable", "pidfdOpen", "count", "receive"];
      await tryAll(scene, made, [...DISPENSABLE, ...OF_STREAMS]);
    })),
);

faults.run();
