/**
 * Every system call and every file call on the way to an admission, made to fail in turn with every errno: the outcome is
 * a refusal, or an admission that provably did not need it. Never a crash, never a wait without end, never a descriptor
 * that stays.
 */
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { attestConnection } from "../../sidecar/attest/attest-connection.ts";
import { limited, skipUnless } from "../harness.ts";
import { type Attest, REPLACES, withScene } from "./scene.ts";
import { DISPENSABLE, OF_CONNECTIONS } from "./dispensable.ts";
import { tryAll } from "./try-all.ts";

const attest: Attest = (platform, fd, digests) =>
  attestConnection(platform, fd, { digests, mayAdmit: () => true });

const faults = suite("faults on the way to an admission");

faults(
  "each call with each errno, and with nothing where something is read",
  limited(200_000, () =>
    withScene(attest, async (scene) => {
      if (!REPLACES) skipUnless(false, "this runtime's file calls cannot be made to fail: only our own were");
      const made = ["socketOption", "open", "readable", "pidfdOpen", "count", "receive"];
      await tryAll(scene, made, [...DISPENSABLE, ...OF_CONNECTIONS]);
    })),
);

const ucred = (pid: number, uid: number): DataView => {
  const view = new DataView(new ArrayBuffer(16));
  view.setInt32(0, pid, true);
  view.setUint32(4, uid, true);
  return view;
};
const self = process.getuid?.() ?? 0;

for (
  const { name, call, result, expect } of [
    {
      name: "a peer outside of our pid namespace",
      call: /^socketOption .* 17 /,
      result: () => ucred(0, self),
      expect: /IDENT/,
    },
    {
      name: "a peer without a number",
      call: /^socketOption .* 17 /,
      result: () => ucred(-1, self),
      expect: /IDENT/,
    },
    {
      name: "a uid without a number here",
      call: /^socketOption .* 17 /,
      result: () => ucred(1, 65534),
      expect: /IDENT/,
    },
    {
      name: "another uid",
      call: /^socketOption .* 17 /,
      result: () => ucred(1, self + 1),
      expect: /GONE|REFUSED/,
    },
    {
      name: "another process's number",
      call: /^socketOption .* 17 /,
      result: () => ucred(process.pid, self),
      expect: /GONE/,
    },
    { name: "a process that has ended", call: /^readable /, result: () => true, expect: /GONE|REFUSED/ },
    {
      name: "a count of nothing before the first byte",
      call: /^count /,
      result: () => 0,
      expect: /^admitted$/,
    },
    { name: "the end before the first byte", call: /^receive /, result: () => 0, expect: /nothing heard/ },
  ]
) {
  faults(
    `the kernel's own word: ${name}`,
    limited(30_000, () =>
      withScene(attest, async ({ attempt }) => {
        assert.match(await attempt((now) => call.test(now) ? { result: result() } : undefined), expect);
        assert.match(await attempt(() => undefined), /^admitted/);
      })),
  );
}

faults.run();
