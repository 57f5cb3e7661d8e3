/** What a shared server hears once: its opening, subscriptions, the log level. */
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { failure, notification, opened, OPENING, openStage, request, result } from "./stage.ts";

const parse = (lines: readonly string[]) => lines.map((line) => JSON.parse(line) as Record<string, unknown>);

const opening = suite("the opening of a shared server");

opening("a later peer is answered from what the first one was, under its own id, byte for byte", async () => {
  const stage = openStage();
  const one = stage.join();
  one.says(request(0, "initialize", OPENING));
  const [asked] = stage.heard();
  stage.says(
    `{"result" : {"protocolVersion":"2025-11-25","x": 1.0},  "id":${String(asked!["id"])}, "jsonrpc":"2.0"}`,
  );
  assert.equal(await one.heard(), [
    '{"result" : {"protocolVersion":"2025-11-25","x": 1.0},  "id":0, "jsonrpc":"2.0"}',
  ]);
  const two = stage.join();
  // Another version: it is told which one is spoken, as a server does that does not know it.
  two.says(request("é", "initialize", { ...OPENING, protocolVersion: "2024-11-05" }));
  assert.equal(stage.heard(), []);
  assert.equal(await two.heard(), [
    '{"result" : {"protocolVersion":"2025-11-25","x": 1.0},  "id":"é", "jsonrpc":"2.0"}',
  ]);
});

opening("peers that come while it is being opened wait for the one answer", async () => {
  const stage = openStage();
  const actors = [stage.join(), stage.join(), stage.join()];
  for (const actor of actors) actor.says(request(0, "initialize", OPENING));
  const asked = stage.heard();
  assert.is(asked.length, 1);
  stage.says(result(asked[0]!["id"], { protocolVersion: "2025-11-25" }));
  for (const actor of actors) {
    assert.equal(parse(await actor.heard()), [result(0, { protocolVersion: "2025-11-25" })]);
  }
});

opening("an error is for who asked like that: the next one's own opening is sent", async () => {
  const stage = openStage();
  const [one, two] = [stage.join(), stage.join()];
  one.says(
    request(1, "initialize", { ...OPENING, protocolVersion: 7 }),
    notification("notifications/initialized"),
  );
  two.says(request(1, "initialize", OPENING));
  const [first] = stage.heard();
  stage.says(failure(first!["id"], -32602));
  assert.equal(parse(await one.heard()), [failure(1, -32602)]);
  const [second] = stage.heard();
  assert.equal(second!["params"], OPENING);
  stage.says(result(second!["id"]));
  assert.equal(parse(await two.heard()), [result(1)]);
  two.says(notification("notifications/initialized"));
  assert.is(stage.heard().length, 1);
});

opening(
  "who opened it may leave before it is answered: it is not cancelled, and others are served",
  async () => {
    const stage = openStage();
    const [one, two] = [stage.join(), stage.join()];
    one.says(request(1, "initialize", OPENING));
    two.says(request(1, "initialize", OPENING));
    const [asked] = stage.heard();
    void one.share.stop("peer-gone");
    assert.equal(stage.heard().map((it) => it["method"]), ["ping"]);
    stage.says(result(asked!["id"]));
    assert.equal(await one.heard(), []);
    assert.equal(parse(await two.heard()), [result(1)]);
  },
);

opening(
  "a peer that asks again before it was answered waits for nothing: it could fill our memory",
  async () => {
    const stage = openStage();
    const actor = stage.join();
    actor.says(request(1, "initialize", OPENING), request(2, "initialize", OPENING));
    assert.is(stage.heard().length, 1);
    const [refused] = parse(await actor.heard());
    assert.is(refused!["id"], 2);
  },
);

opening("initialized is heard once, and never before somebody opened", async () => {
  const stage = openStage();
  const early = stage.join();
  early.says(notification("notifications/initialized"));
  assert.equal(stage.heard(), []);
  early.says(request(1, "initialize", OPENING));
  stage.says(result(stage.heard()[0]!["id"]));
  for (const actor of [early, stage.join(), early]) actor.says(notification("notifications/initialized"));
  assert.equal(stage.heard(), [notification("notifications/initialized")]);
});

const META = { "io.modelcontextprotocol/protocolVersion": "2026-07-28" };

opening(
  "one process speaks one era: a probe of the other is declined, so that the client falls back",
  async () => {
    const stage = openStage();
    await opened(stage);
    const modern = stage.join();
    modern.says(request(1, "server/discover", { _meta: META }), request(2, "tools/list", { _meta: META }));
    assert.equal(stage.heard(), []);
    const refused = parse(await modern.heard());
    assert.equal(refused.map((it) => [it["id"], (it["error"] as { code: number }).code]), [[1, -32601], [
      2,
      -32601,
    ]]);
  },
);

opening("a server that answered a modern request is opened by nobody", async () => {
  const stage = openStage();
  const [modern, legacy] = [stage.join(), stage.join()];
  modern.says(request(1, "server/discover", { _meta: META }));
  stage.says(result(stage.heard()[0]!["id"], { supportedVersions: [] }));
  legacy.says(request(1, "initialize", OPENING));
  assert.equal(stage.heard(), []);
  assert.is((parse(await legacy.heard())[0]!["error"] as { code: number }).code, -32601);
});

opening("a probe that is answered while it is being opened does not change the era", async () => {
  const stage = openStage();
  const peer = stage.join();
  peer.says(request(1, "server/discover", { _meta: META }), request(2, "initialize", OPENING));
  const [discover, initialize] = stage.heard();
  stage.says(result(discover!["id"], { supportedVersions: [] }));
  const other = stage.join();
  other.says(request(1, "initialize", OPENING));
  stage.says(result(initialize!["id"], { protocolVersion: "2025-11-25" }));
  assert.equal(parse(await other.heard()), [result(1, { protocolVersion: "2025-11-25" })]);
});

opening("a probe that the server declines leaves its era open", async () => {
  const stage = openStage();
  const peer = stage.join();
  peer.says(request(1, "server/discover", { _meta: META }));
  stage.says(failure(stage.heard()[0]!["id"], -32601));
  peer.says(request(2, "initialize", OPENING));
  assert.is(stage.heard()[0]!["method"], "initialize");
});

opening.run();

const subscribe = (id: unknown, uri: string) => request(id, "resources/subscribe", { uri });
const unsubscribe = (id: unknown, uri: string) => request(id, "resources/unsubscribe", { uri });
const updated = (uri: string) => notification("notifications/resources/updated", { uri });

const subscriptions = suite("subscriptions of a shared server");

subscriptions(
  "the server is asked by the first and told by the last; only who subscribed hears",
  async () => {
    const stage = openStage();
    const [one, two, three] = [await opened(stage), await opened(stage), await opened(stage)];
    one.says(subscribe(1, "a:x"));
    const [asked] = stage.heard();
    assert.is(asked!["method"], "resources/subscribe");
    stage.says(result(asked!["id"]));
    two.says(subscribe(1, "a:x"), subscribe(2, "a:x"));
    assert.equal(stage.heard(), []);
    assert.equal(parse(await two.heard()), [result(1), result(2)]);
    assert.equal(parse(await one.heard()), [result(1)]);
    stage.says(updated("a:x"), updated("a:y"));
    assert.equal(parse(await one.heard()), [updated("a:x")]);
    assert.equal(parse(await two.heard()), [updated("a:x")]);
    assert.equal(await three.heard(), []);
    one.says(unsubscribe(2, "a:x"));
    three.says(unsubscribe(2, "a:x"));
    assert.equal(stage.heard(), []);
    assert.equal(parse(await three.heard()), [result(2)]);
    stage.says(updated("a:x"));
    assert.equal(parse(await one.heard()), [result(2)]);
    two.says(unsubscribe(3, "a:x"));
    assert.is(stage.heard()[0]!["method"], "resources/unsubscribe");
  },
);

subscriptions(
  "who subscribes while the first is not answered gets the same outcome by its own request",
  async () => {
    const stage = openStage();
    const [one, two] = [await opened(stage), await opened(stage)];
    one.says(subscribe(1, "a:x"));
    two.says(subscribe(1, "a:x"));
    const [first, none] = stage.heard();
    assert.is(none, undefined);
    stage.says(failure(first!["id"], -32002));
    assert.equal(parse(await one.heard()), [failure(1, -32002)]);
    const [second] = stage.heard();
    stage.says(result(second!["id"]));
    assert.equal(parse(await two.heard()), [result(1)]);
    stage.says(updated("a:x"));
    assert.equal(await one.heard(), []);
    assert.equal(parse(await two.heard()), [updated("a:x")]);
  },
);

subscriptions(
  "a peer that leaves gives its subscriptions back, also one that is being asked for",
  async () => {
    const stage = openStage();
    const [one, two] = [await opened(stage), await opened(stage)];
    one.says(subscribe(1, "a:x"));
    stage.says(result(stage.heard()[0]!["id"]));
    void one.share.stop("peer-gone");
    assert.equal(stage.heard().map((it) => [it["method"], it["params"]]), [["resources/unsubscribe", {
      uri: "a:x",
    }]]);
    two.says(subscribe(1, "a:y"));
    const [asked] = stage.heard();
    void two.share.stop("peer-gone");
    assert.equal(stage.heard().map((it) => it["method"]), ["ping"]);
    stage.says(result(asked!["id"]));
    assert.equal(stage.heard().map((it) => [it["method"], it["params"]]), [["resources/unsubscribe", {
      uri: "a:y",
    }]]);
  },
);

subscriptions(
  "what lies under a resource that was subscribed to is heard of, what only begins like it is not",
  async () => {
    const stage = openStage();
    const one = await opened(stage);
    one.says(subscribe(1, "file:///a"));
    stage.says(result(stage.heard()[0]!["id"]));
    await one.heard();
    stage.says(updated("file:///a/b/c"), updated("file:///ab"), updated("file:///"));
    assert.equal(parse(await one.heard()), [updated("file:///a/b/c")]);
  },
);

subscriptions("there is an end to what one peer may subscribe to", async () => {
  const stage = openStage();
  const one = await opened(stage);
  for (let i = 0; i < 1024; i++) {
    one.says(subscribe(i, `a:${i}`));
    stage.says(result(stage.heard()[0]!["id"]));
  }
  await one.heard();
  one.says(subscribe("more", "a:more"), subscribe("long", `a:${"x".repeat(20_000)}`));
  assert.equal(stage.heard(), []);
  assert.equal(parse(await one.heard()).map((it) => (it["error"] as { code: number }).code), [1003, 1003]);
});

subscriptions.run();

const setLevel = (id: unknown, level: string) => request(id, "logging/setLevel", { level });
const message = (level: unknown) =>
  notification("notifications/message", { level, data: `at ${String(level)}` });

const levels = suite("log levels of a shared server");

levels(
  "the server has the most verbose one, each peer hears its own, and who asked for none hears none",
  async () => {
    const stage = openStage();
    const [one, two, three] = [await opened(stage), await opened(stage), await opened(stage)];
    one.says(setLevel(1, "error"));
    const [first] = stage.heard();
    assert.equal(first!["params"], { level: "error" });
    stage.says(result(first!["id"]));
    two.says(setLevel(1, "info"));
    const [second] = stage.heard();
    assert.equal(second!["params"], { level: "info" });
    stage.says(result(second!["id"]));
    one.says(setLevel(2, "warning"));
    assert.equal(stage.heard(), []);
    assert.equal(parse(await one.heard()), [result(1), result(2)]);
    await two.heard();
    stage.says(
      message("debug"),
      message("info"),
      message("warning"),
      message("emergency"),
      message("loud"),
      message(3),
    );
    assert.equal(parse(await one.heard()), [message("warning"), message("emergency")]);
    assert.equal(parse(await two.heard()), [message("info"), message("warning"), message("emergency")]);
    assert.equal(await three.heard(), []);
  },
);

levels(
  "when the most verbose one leaves or asks for less, the server is told what the others need",
  async () => {
    const stage = openStage();
    const [one, two] = [await opened(stage), await opened(stage)];
    one.says(setLevel(1, "debug"));
    two.says(setLevel(1, "warning"));
    stage.says(result(stage.heard()[0]!["id"]));
    one.says(setLevel(2, "error"));
    const [told] = stage.heard();
    assert.equal(told!["params"], { level: "warning" });
    stage.says(result(told!["id"]));
    assert.equal(parse(await one.heard()), [result(1), result(2)]);
    void two.share.stop("peer-gone");
    assert.equal(stage.heard().map((it) => it["params"]), [{ level: "error" }]);
  },
);

levels("a word that is no level, or that the server refuses, changes nothing for others", async () => {
  const stage = openStage();
  const [one, two] = [await opened(stage), await opened(stage)];
  one.says(setLevel(1, "loud"));
  stage.says(failure(stage.heard()[0]!["id"], -32602));
  assert.equal(parse(await one.heard()), [failure(1, -32602)]);
  one.says(setLevel(2, "debug"));
  stage.says(failure(stage.heard()[0]!["id"], -32601));
  two.says(setLevel(1, "error"));
  assert.equal(stage.heard().map((it) => it["params"]), [{ level: "error" }]);
  await one.heard();
  stage.says(message("error"));
  assert.equal(await one.heard(), []);
});

levels.run();
