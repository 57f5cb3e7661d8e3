/** `session:` of the policy: what is understood, and what is refused where. */
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { errorsOf, load } from "./support.ts";

const text = (session: string) => `version: 1\nname: test\nsession: ${session}\n`;

const session = suite("session:");

const DEFAULTS = {
  children: "per-client",
  idleMs: undefined,
  maxAgeMs: undefined,
  maxCalls: undefined,
  maxSessions: 64,
};

for (
  const [given, expected] of [
    ["{}", {}],
    ["{idle: 250ms}", { idleMs: 250 }],
    ["{idle: 30m, max_age: 8h}", { idleMs: 1_800_000, maxAgeMs: 28_800_000 }],
    ["{max_age: 30d}", { maxAgeMs: 2_592_000_000 }],
    ["{max_calls: 1000, max_sessions: 8}", { maxCalls: 1000, maxSessions: 8 }],
    ["{children: per-client}", {}],
    ["{children: shared}", { children: "shared" }],
  ] as const
) {
  session(`${given} is understood`, async () => {
    assert.equal((await load(text(given))).session, { ...DEFAULTS, ...expected });
  });
}

session("absent, nothing ends a session, and 64 may be open", async () => {
  assert.equal((await load("version: 1\nname: test\n")).session, DEFAULTS);
});

for (
  const [given, says] of [
    ["{idle: 0s}", /^3:17 'idle': '0s' must be a time span/],
    ["{idle: 30}", /^3:17 'idle' must be a text, not the number 30/],
    ["{idle: 1w}", /^3:17 .*time span/],
    ["{max_age: 31d}", /^3:20 '31d' is longer than 30 days/],
    ["{idle: 2h, max_age: 90m}", /^3:17 'idle' is not shorter than 'max_age'/],
    ["{idle: 1h, max_age: 60m}", /^3:17 'idle' is not shorter than 'max_age'/],
    ["{max_calls: 0}", /^3:22 'max_calls': must not be below 1/],
    ["{max_calls: 1.5}", /^3:22 'max_calls': must be a whole number/],
    ["{max_sessions: 0}", /^3:25 'max_sessions': must not be below 1/],
    ["{max_sessions: 100000}", /^3:25 'max_sessions': must not be above 4096/],
    ["{max_session: 8}", /^3:11 Unknown key 'max_session' in 'session'/],
    ["{children: own}", /^3:21 'children' cannot be 'own'/],
  ] as const
) {
  session(`${given} is refused`, async () => {
    const errors = await errorsOf(text(given));
    assert.ok(errors.some((error) => says.test(error)), errors.join("\n"));
  });
}

session.run();
