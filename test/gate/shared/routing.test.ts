/** Whom a shared server's messages go to, and whom they do not. */
import { setTimeout as delay } from "node:timers/promises";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { failure, notification, opened, openStage, request, result } from "./stage.ts";

const parse = (lines: readonly string[]) => lines.map((line) => JSON.parse(line) as Record<string, unknown>);
const codes = (lines: readonly string[]) =>
  parse(lines).map((it) => (it["error"] as { code: number } | undefined)?.code);
const call = (id: unknown, more = {}) => request(id, "tools/call", { name: "t", arguments: {}, ...more });

const asks = suite("requests of a shared server");
const ELICITATION = request("q", "elicitation/create", { message: "your password?" });

asks("one session that declared the feature is asked; only it may answer, once", async () => {
  const stage = openStage();
  const one = await opened(stage, { elicitation: {} });
  stage.says(ELICITATION);
  assert.equal(parse(await one.heard()), [ELICITATION]);
  const two = await opened(stage, { elicitation: {} });
  two.says(result("q", { forged: true }));
  assert.equal(stage.heard(), []);
  one.says(result("q", { action: "accept" }), result("q", { twice: true }));
  assert.equal(stage.heard(), [result("q", { action: "accept" })]);
});

asks("what a peer did not declare it is not asked for, whoever opened the server", async () => {
  const stage = openStage();
  const one = await opened(stage, { elicitation: {} });
  void one.share.stop("peer-gone");
  const two = await opened(stage, { roots: {} });
  stage.heard();
  stage.says(ELICITATION);
  assert.is((stage.heard()[0]!["error"] as { code: number }).code, -32601);
  assert.equal(await two.heard(), []);
});

asks("with two sessions nobody is asked, also while only one of them has a call pending", async () => {
  const stage = openStage();
  const [one, two] = [await opened(stage, { elicitation: {} }), await opened(stage, { elicitation: {} })];
  one.says(call(1));
  stage.heard();
  stage.says(ELICITATION);
  assert.is((stage.heard()[0]!["error"] as { code: number }).code, -32601);
  for (const actor of [one, two]) assert.equal(await actor.heard(), []);
});

asks("who is left alone is not asked on behalf of one who has just given up a call", async () => {
  for (const give of ["cancel", "leave"] as const) {
    const stage = openStage();
    const [one, two] = [await opened(stage, { elicitation: {} }), await opened(stage, { elicitation: {} })];
    one.says(call(1));
    if (give === "cancel") one.says(notification("notifications/cancelled", { requestId: 1 }));
    void one.share.stop("peer-gone");
    stage.heard();
    stage.says(ELICITATION);
    assert.is((stage.heard()[0]!["error"] as { code: number }).code, -32601, give);
    assert.equal(await two.heard(), [], give);
  }
});

asks("one that names a task goes to whose task that is", async () => {
  const stage = openStage();
  const [one, two] = [await opened(stage, { elicitation: {} }), await opened(stage, { elicitation: {} })];
  one.says(call(1, { task: {} }));
  stage.says(result(stage.heard()[0]!["id"], { task: { taskId: "T", status: "working" } }));
  await one.heard();
  const related = request(9, "elicitation/create", {
    message: "m",
    _meta: { "io.modelcontextprotocol/related-task": { taskId: "T" } },
  });
  const stranger = request(10, "elicitation/create", {
    message: "m",
    _meta: { "io.modelcontextprotocol/related-task": { taskId: "none" } },
  });
  stage.says(related, stranger);
  assert.equal(parse(await one.heard()), [related]);
  assert.equal(await two.heard(), []);
  assert.equal(stage.heard().map((it) => it["id"]), [10]);
});

asks(
  "a ping is answered here; one that is asked and leaves is answered for; a withdrawn one is withdrawn",
  async () => {
    const stage = openStage();
    const one = await opened(stage, { elicitation: {} });
    stage.says(request(1, "ping"));
    assert.equal(stage.heard(), [result(1)]);
    stage.says(ELICITATION, notification("notifications/cancelled", { requestId: "q" }));
    assert.is((await one.heard()).length, 2);
    one.says(result("q"));
    assert.equal(stage.heard(), []);
    stage.says(request(2, "elicitation/create"));
    void one.share.stop("peer-gone");
    assert.equal(stage.heard().map((it) => [it["id"], (it["error"] as { code: number }).code]), [[2, 1004]]);
  },
);

asks("progress goes back only under a token that the server gave this peer", async () => {
  const stage = openStage();
  const one = await opened(stage, { sampling: {} });
  const progress = (token: unknown) =>
    notification("notifications/progress", { progressToken: token, progress: 1 });
  one.says(progress(5));
  assert.equal(stage.heard(), []);
  stage.says(request(1, "sampling/createMessage", { _meta: { progressToken: 5 } }));
  one.says(progress(5), progress("5"), progress(6));
  assert.equal(stage.heard(), [progress(5)]);
  one.says(result(1), progress(5));
  assert.equal(stage.heard(), [result(1)]);
});

asks.run();

const tells = suite("notifications of a shared server");

tells(
  "that a list changed concerns everybody; what nobody can be named for goes to one session or to none",
  async () => {
    const stage = openStage();
    const one = await opened(stage);
    const vendor = notification("vendor/thing", { secret: 1 });
    stage.says(vendor);
    assert.equal(parse(await one.heard()), [vendor]);
    const two = await opened(stage);
    const changed = notification("notifications/tools/list_changed");
    stage.says(changed, vendor, notification("notifications/elicitation/complete", { elicitationId: "e" }));
    assert.equal(parse(await one.heard()), [changed]);
    assert.equal(parse(await two.heard()), [changed]);
  },
);

tells("what one client's folders are is not told as everybody's", async () => {
  const stage = openStage();
  const one = await opened(stage);
  const roots = notification("notifications/roots/list_changed");
  one.says(roots);
  assert.equal(stage.heard(), [roots]);
  await opened(stage);
  one.says(roots);
  assert.equal(stage.heard(), []);
});

tells("a malformed or overlong answer is told to who waits, and to nobody else", async () => {
  const stage = openStage(1000);
  const [one, two] = [await opened(stage), await opened(stage)];
  one.says(call(1), call(2));
  two.says(call(1));
  const [first, second] = stage.heard();
  stage.says(`{"jsonrpc":"2.0","id":${String(first!["id"])},"id":${String(first!["id"])},"result":{}}`);
  stage.says(`{"jsonrpc":"2.0","id":${String(second!["id"])},"result":{"a":"${"x".repeat(2000)}"}}`);
  assert.equal(await two.heard(), []);
  // A line that says its id twice says it to nobody.
  assert.equal(parse(await one.heard()).map((it) => it["id"]), [2]);
  stage.says(`{"jsonrpc":"2.0","id":${String(first!["id"])},"result":{},"error":{}}`);
  assert.equal(codes(await one.heard()), [1005]);
});

tells("what nobody asked to hear of is no noise, and a progress token has an end", async () => {
  const stage = openStage();
  const [one] = [await opened(stage), await opened(stage)];
  stage.says(
    notification("notifications/message", { level: "error" }),
    notification("notifications/resources/updated", { uri: "a:b" }),
  );
  assert.equal(stage.noise, []);
  for (const progressToken of ["x".repeat(2000), true, null, {}, [1]]) {
    one.says(call(1, { _meta: { progressToken } }));
    assert.equal(stage.heard(), []);
    assert.equal(codes(await one.heard()), [-32602]);
  }
});

tells.run();

const tasks = suite("tasks of a shared server");

tasks("are got, cancelled, listed and heard of by who began them", async () => {
  const stage = openStage();
  const [one, two] = [await opened(stage), await opened(stage)];
  one.says(call(1, { task: { ttl: 1 }, _meta: { progressToken: "p" } }));
  const number = stage.heard()[0]!["id"];
  stage.says(result(number, { task: { taskId: "T", status: "working" } }));
  assert.equal(parse(await one.heard()), [result(1, { task: { taskId: "T", status: "working" } })]);

  for (const method of ["tasks/get", "tasks/result", "tasks/cancel"]) {
    two.says(request(1, method, { taskId: "T" }));
  }
  two.says(request(2, "tasks/get", { taskId: "none" }), request(3, "tasks/get"));
  assert.equal(stage.heard(), []);
  assert.equal(codes(await two.heard()), [-32602, -32602, -32602, -32602, -32602]);
  one.says(request(2, "tasks/get", { taskId: "T" }));
  assert.equal(stage.heard().map((it) => it["method"]), ["tasks/get"]);

  const status = notification("notifications/tasks/status", { taskId: "T", status: "working" });
  // Its progress goes on after the request was answered.
  stage.says(status, notification("notifications/progress", { progressToken: number, progress: 1 }));
  assert.equal(parse(await one.heard()), [
    status,
    notification("notifications/progress", { progressToken: "p", progress: 1 }),
  ]);
  assert.equal(await two.heard(), []);
});

tasks("a list is cut to the peer's own, and its other bytes stay", async () => {
  const stage = openStage();
  const [one, two] = [await opened(stage), await opened(stage)];
  for (const [actor, taskId] of [[one, "A"], [two, "B"], [one, "C"]] as const) {
    actor.says(call(`begin ${taskId}`, { task: {} }));
    stage.says(result(stage.heard()[0]!["id"], { task: { taskId } }));
    await actor.heard();
  }
  const list = async (actor: typeof one, tasks: string) => {
    actor.says(request(5, "tasks/list"));
    stage.says(
      `{"jsonrpc":"2.0","result":{"n": 1.0, "tasks" : ${tasks} ,"nextCursor":"x"},"id":${
        String(stage.heard()[0]!["id"])
      }}`,
    );
    return (await actor.heard())[0]!;
  };
  const all = '[{"taskId":"A", "s":1.0},{"taskId":"B"} , {"s":"]","taskId":"C"},{"taskId":"D"},7]';
  const line = (tasks: string) =>
    `{"jsonrpc":"2.0","result":{"n": 1.0, "tasks" : ${tasks} ,"nextCursor":"x"},"id":5}`;
  assert.is(await list(one, all), line('[{"taskId":"A", "s":1.0},{"s":"]","taskId":"C"}]'));
  assert.is(await list(two, all), line('[{"taskId":"B"}]'));
  assert.is(await list(two, "[]"), line("[]"));
  assert.equal(codes([await list(two, "{}")]), [1005]);
});

tasks("of a session that is over are cancelled; no server can give one peer another's", async () => {
  const stage = openStage();
  const [one, two] = [await opened(stage), await opened(stage)];
  for (const actor of [one, two]) {
    actor.says(call(1, { task: {} }));
    stage.says(result(stage.heard()[0]!["id"], { task: { taskId: "T" } }));
  }
  two.says(request(2, "tasks/get", { taskId: "T" }));
  assert.equal(stage.heard(), []);
  void one.share.stop("idle");
  assert.equal(stage.heard().map((it) => [it["method"], it["params"]]), [["tasks/cancel", { taskId: "T" }]]);
});

tasks("of a session that is over make no progress any more", async () => {
  const stage = openStage();
  const one = await opened(stage);
  one.says(call(1, { task: {}, _meta: { progressToken: 1 } }));
  const number = stage.heard()[0]!["id"];
  stage.says(result(number, { task: { taskId: "T" } }));
  await one.heard();
  void one.share.stop("peer-gone");
  stage.says(notification("notifications/progress", { progressToken: number, progress: 1 }));
  assert.equal(await one.heard(), []);
  assert.equal(stage.noise.slice(-1), ["progress-of-nothing"]);
});

tasks.run();

const META = { "io.modelcontextprotocol/protocolVersion": "2026-07-28" };
const SUBSCRIPTION = "io.modelcontextprotocol/subscriptionId";

const modern = suite("the modern era on a shared server");

async function openedModern(principals: readonly string[]) {
  const stage = openStage();
  const actors = principals.map((principal) => stage.join(principal));
  for (const actor of actors) {
    actor.says(request(0, "server/discover", { _meta: META }));
    stage.says(
      result(stage.heard()[0]!["id"], { supportedVersions: ["2026-07-28"], resultType: "complete" }),
    );
    await actor.heard();
  }
  return { stage, actors };
}

modern("what one listens for is told to it alone, under its own subscription", async () => {
  const { stage, actors: [one, two] } = await openedModern(["a", "b"]);
  for (const actor of [one!, two!]) {
    actor.says(request("listen:0", "subscriptions/listen", { notifications: {}, _meta: META }));
  }
  const [first, second] = stage.heard().map((it) => it["id"]);
  const changed = (id: unknown) =>
    notification("notifications/tools/list_changed", { _meta: { x: 1, [SUBSCRIPTION]: id } });
  stage.says(
    changed(first),
    changed(second),
    changed(99),
    changed("1"),
    notification("notifications/tools/list_changed"),
  );
  for (const actor of [one!, two!]) assert.equal(parse(await actor.heard()), [changed("listen:0")]);
  stage.says(result(first, { _meta: { [SUBSCRIPTION]: first } }));
  assert.equal(parse(await one!.heard()), [result("listen:0", { _meta: { [SUBSCRIPTION]: "listen:0" } })]);
  stage.says(notification("notifications/cancelled", { requestId: second }), changed(second));
  assert.equal(parse(await two!.heard()), [
    notification("notifications/cancelled", { requestId: "listen:0" }),
  ]);
});

modern(
  "tasks are their principal's: another session of it has them, and they outlive the first",
  async () => {
    const { stage, actors: [one, two, other] } = await openedModern(["a", "a", "b"]);
    one!.says(call(1, { _meta: META }));
    stage.says(result(stage.heard()[0]!["id"], { resultType: "task", taskId: "T" }));
    void one!.share.stop("peer-gone");
    assert.equal(stage.heard(), []);
    two!.says(request(1, "tasks/get", { taskId: "T", _meta: META }));
    assert.is(stage.heard()[0]!["method"], "tasks/get");
    other!.says(request(1, "tasks/get", { taskId: "T", _meta: META }));
    assert.equal(stage.heard(), []);
    assert.equal(codes(await other!.heard()), [-32602]);
  },
);

modern("nobody listens to another's tasks", async () => {
  const { stage, actors: [one, other] } = await openedModern(["a", "b"]);
  one!.says(call(1, { _meta: META }));
  stage.says(result(stage.heard()[0]!["id"], { resultType: "task", task: { taskId: "T" } }));
  await one!.heard();
  const listen = (id: number, taskIds: unknown) =>
    request(id, "subscriptions/listen", { notifications: { taskIds }, _meta: META });
  other!.says(listen(1, ["T"]), listen(2, ["none"]), listen(3, "T"), listen(4, [["T"]]));
  assert.equal(stage.heard(), []);
  assert.equal(codes(await other!.heard()), [-32602, -32602, -32602, -32602]);
  one!.says(listen(1, ["T"]), listen(2, []));
  assert.is(stage.heard().length, 2);
});

modern(
  "the server asks nobody anything, and its messages go nowhere where they could be another's",
  async () => {
    const { stage, actors: [one, two] } = await openedModern(["a", "b"]);
    stage.says(
      request(1, "roots/list"),
      notification("notifications/message", { level: "error", data: "secret" }),
    );
    assert.is((stage.heard()[0]!["error"] as { code: number }).code, -32601);
    for (const actor of [one!, two!]) assert.equal(await actor.heard(), []);
  },
);

modern.run();

const ends = suite("ends on a shared server");

ends("a crash ends every session's part with what happened; nothing is sent again", async () => {
  const stage = openStage();
  const [one, two] = [await opened(stage), await opened(stage)];
  one.says(call(1));
  two.says(call(1));
  stage.heard();
  stage.server.exit(7);
  await stage.child.exited;
  await one.heard();
  for (const actor of [one, two]) assert.equal(actor.exit, { code: 7, signal: undefined, cause: undefined });
  assert.equal(stage.heard(), []);
  assert.not(stage.child.usable);
});

ends("a session that leaves keeps no one from being served, and takes no server with it", async () => {
  const stage = openStage();
  const [one, two] = [await opened(stage), await opened(stage)];
  void one.share.stop("signal");
  two.says(call(1));
  const [asked] = stage.heard();
  // It writes no more, and hears no more.
  assert.is(one.says(call(9)), true);
  assert.equal(stage.heard(), []);
  stage.says(result(asked!["id"]));
  assert.equal(parse(await two.heard()), [result(1)]);
  assert.equal(one.exit, { code: undefined, signal: undefined, cause: "signal", lives: true });
  assert.equal(stage.server.stops, []);
});

ends("a server that ignores its first opening is given up", async () => {
  const stage = openStage();
  const one = stage.join();
  one.says(request(1, "initialize"));
  void one.share.stop("respawn");
  assert.equal(stage.server.stops, ["respawn"]);
  assert.not(stage.child.usable);
});

ends("a server that does not even answer a ping is given up when a session left for it", async () => {
  const stage = openStage(undefined, 20);
  const [one, two] = [await opened(stage), await opened(stage)];
  // Nothing unanswered: no reason to doubt it.
  void two.share.stop("peer-gone");
  assert.equal(stage.heard(), []);
  one.says(call(1));
  stage.heard();
  void one.share.stop("peer-gone");
  assert.equal(stage.heard().map((it) => it["method"]), ["notifications/cancelled", "ping"]);
  const late = await opened(stage);
  late.says(call(1));
  await delay(60);
  assert.equal(stage.server.stops, ["server-hangs"]);
});

ends("a server that lives, or works on what another session waited for before, is kept", async () => {
  for (const why of ["lives", "waited for"] as const) {
    const stage = openStage(undefined, 20);
    const [one, two] = [await opened(stage), await opened(stage)];
    if (why === "waited for") two.says(call("long"));
    one.says(call(1));
    void one.share.stop("peer-gone");
    if (why === "lives") stage.says(notification("notifications/message", { level: "error" }));
    await delay(60);
    assert.equal(stage.server.stops, [], why);
  }
});

ends("a late answer to what was cancelled reaches nobody, also not who uses the id again", async () => {
  const stage = openStage();
  const one = await opened(stage);
  one.says(call(1), notification("notifications/cancelled", { requestId: 1 }));
  const [asked] = stage.heard();
  one.says(call(1));
  stage.says(result(asked!["id"], { old: true }), failure(asked!["id"], 1));
  assert.equal(await one.heard(), []);
  stage.says(result(stage.heard()[0]!["id"], { new: true }));
  assert.equal(parse(await one.heard()), [result(1, { new: true })]);
});

ends.run();
