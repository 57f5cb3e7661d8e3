/** The parts of the HTTP door that only look at bytes and text. */
import * as fc from "fast-check";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { bodyLine } from "../../../sidecar/front/http/request/body-line.ts";
import { eventOf } from "../../../sidecar/front/http/session/event-stream.ts";
import { Freshness } from "../../../sidecar/front/http/wire/freshness.ts";
import { decodeHeader } from "../../../sidecar/front/http/request/modern-headers.ts";
import { outlineOfPeer, outlineOfServer } from "../../../sidecar/front/http/request/outline.ts";
import { edit, edited, subscriptionSpans } from "../../../sidecar/front/http/session/relabel.ts";
import { findSockets } from "../../../sidecar/platform/linux/tcp-sockets.ts";

const line = suite("bodyLine()");

line("a document on several lines is the same document on one", () => {
  fc.assert(fc.property(fc.json(), fc.constantFrom("\n", "\r\n", "\r"), (json, end) => {
    const pretty = JSON.stringify(JSON.parse(json), null, 2).replaceAll("\n", end);
    const one = bodyLine(Buffer.from(pretty));
    assert.ok(one !== undefined);
    assert.is(one.indexOf("\n"), one.length - 1);
    assert.is(one.indexOf("\r"), -1);
    assert.equal(JSON.parse(one.toString()), JSON.parse(json));
  }));
});

line("what is no line of JSON becomes none", () => {
  for (const body of ['"a\nb"', '"a\rb"', '"a\\\nb"', '{"a":"x\n', "", " ", "\n\r\n", "\t"]) {
    assert.is(bodyLine(Buffer.from(body)), undefined, JSON.stringify(body));
  }
});

line("whatever comes in, one line comes out or nothing", () => {
  const bytes = fc.array(fc.constantFrom(...Buffer.from('"\\\n\r a{}')), { maxLength: 40 });
  fc.assert(fc.property(bytes, (body) => {
    const one = bodyLine(Buffer.from(body));
    if (one === undefined) return;
    assert.is(one.indexOf("\n"), one.length - 1);
    assert.is(one.length, body.length + 1);
  }));
});
line.run();

const event = suite("eventOf()");

/** As a browser reads a stream: WHATWG HTML, 9.2.6. */
function read(bytes: Buffer): string[] {
  const events: string[] = [];
  let data: string[] = [];
  for (const text of bytes.toString().split(/\r\n|\r|\n/)) {
    if (text === "" && data.length > 0) events.push(data.join("\n"));
    if (text === "") data = [];
    else if (text.startsWith("data:")) data.push(text.slice(5).replace(/^ /, ""));
  }
  return events;
}

event("a message is one event, whatever its carriage returns try to begin", () => {
  for (const text of ["{}", '{"a":\r1}', "\r\r\rdata: evil\r\r", '{"a":1}\r', "\rid: 7\revent: evil\r"]) {
    assert.equal(
      read(eventOf(Buffer.from(text), "s.1")),
      [text.replaceAll("\r", "\n")],
      JSON.stringify(text),
    );
  }
});

event("a line feed is nothing that a line can hold", () => {
  assert.throws(() => eventOf(Buffer.from("a\nb"), undefined));
});
event.run();

const fresh = suite("Freshness");
const REQUEST = "POST /mcp HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\n\r\n{}";

function seen(early: readonly string[], late: readonly string[], requests: number): boolean[] {
  const freshness = new Freshness();
  for (const text of early) freshness.read(Buffer.from(text), false);
  for (const text of late) freshness.read(Buffer.from(text), true);
  return Array.from({ length: requests }, () => freshness.request());
}

fresh("without early bytes every request is fresh", () => {
  assert.equal(seen([], [REQUEST, REQUEST], 2), [true, true]);
});

const cases: readonly (readonly [
  title: string,
  early: readonly string[],
  late: readonly string[],
  fresh: readonly boolean[],
])[] = [
  ["one whole request, then others", [REQUEST], [REQUEST, REQUEST], [false, true, true]],
  ["in pieces", REQUEST.split(""), [REQUEST], [false, true]],
  ["only early bytes so far", [REQUEST], [], [false]],
  ["half a head", [REQUEST.slice(0, 20)], [REQUEST.slice(20), REQUEST], [false, true]],
  ["half a body: the next one could have begun early", [REQUEST.slice(0, -1)], ["}", REQUEST, REQUEST], [
    false,
    false,
    true,
  ]],
  ["two, and half of a third", [REQUEST + REQUEST, REQUEST.slice(0, 9)], [REQUEST.slice(9), REQUEST], [
    false,
    false,
    false,
    true,
  ]],
  ["one and a byte of the next", [`${REQUEST}P`], [REQUEST.slice(1), REQUEST], [false, false, true]],
  [
    "a body that looks like requests",
    [`${REQUEST.slice(0, -4).replace(": 2", ": 8")}\r\n\r\n\r\n\r\n\r\n`],
    [REQUEST],
    [false, true],
  ],
  ["chunks", [REQUEST.replace("Content-Length: 2", "Transfer-Encoding: chunked")], [REQUEST], [
    false,
    false,
  ]],
  ["two lengths", [REQUEST.replace("Host:", "Content-Length: 2\r\nHost:")], [REQUEST], [false, false]],
  ["a hidden length", [REQUEST.replace("Content-Length: 2", "Content-Length : 2")], [REQUEST], [
    false,
    false,
  ]],
  ["bare line feeds", [REQUEST.replace("\r\nHost", "\nHost")], [REQUEST], [false, false]],
];
for (const [title, early, late, expected] of cases) {
  fresh(title, () => assert.equal(seen(early, late, expected.length), expected));
}

fresh("no request with an early byte is ever fresh", () => {
  const bodies = fc.array(fc.constantFrom("", "{}", "\r\n\r\n", "GET / HTTP/1.1\r\n\r\n"), {
    minLength: 1,
    maxLength: 5,
  });
  fc.assert(fc.property(bodies, fc.nat(), fc.integer({ min: 1, max: 9 }), (texts, cut, size) => {
    const requests = texts.map((body) =>
      `POST /mcp HTTP/1.1\r\nHost: a\r\nContent-Length: ${body.length}\r\n\r\n${body}`
    );
    const all = requests.join("");
    const at = cut % (all.length + 1);
    const pieces = (text: string): string[] => text.match(new RegExp(`[^]{1,${size}}`, "g")) ?? [];
    const answers = seen(pieces(all.slice(0, at)), pieces(all.slice(at)), requests.length);
    let start = 0;
    for (const [index, request] of requests.entries()) {
      if (start < at) assert.not(answers[index], `${index} began at ${start}, and ${at} bytes are early`);
      start += request.length;
    }
  }));
});
fresh.run();

const labels = suite("ids of several clients");

labels("a request gets another id and token, and nothing else changes", () => {
  const text =
    '{ "jsonrpc":"2.0", "params":{"arguments":{"id":1,"progressToken":"t"},"name":"x","_meta":{"progressToken":"t"}},"method":"tools/call","id":1}\n';
  const outline = outlineOfPeer(Buffer.from(text));
  assert.equal([outline.kind, outline.id, outline.progressToken], ["request", "1", '"t"']);
  const line = edited(Buffer.from(text), [
    ...edit(outline.spans.id, '"g7"'),
    ...edit(outline.spans.progressToken, '"g7"'),
  ]);
  assert.is(
    line.toString(),
    '{ "jsonrpc":"2.0", "params":{"arguments":{"id":1,"progressToken":"t"},"name":"x","_meta":{"progressToken":"g7"}},"method":"tools/call","id":"g7"}\n',
  );
});

labels("there and back is what it was", () => {
  const id = fc.oneof(fc.integer(), fc.string({ maxLength: 20 })).map((it) => JSON.stringify(it));
  fc.assert(fc.property(id, fc.jsonValue(), (own, result) => {
    const answer = Buffer.from(`{"jsonrpc":"2.0","result":${JSON.stringify({ a: result })},"id":"g1"}`);
    const back = edited(answer, edit(outlineOfServer(answer).spans.id, own));
    assert.is(back.toString(), answer.toString().replace(/"g1"}$/, () => `${own}}`));
  }));
});

labels("a subscription's id is found where servers put it", () => {
  const key = "io.modelcontextprotocol/subscriptionId";
  for (
    const text of [
      `{"jsonrpc":"2.0","method":"notifications/tools/list_changed","params":{"_meta":{"${key}":"g1"}}}`,
      `{"jsonrpc":"2.0","id":"g1","result":{"_meta":{"a":1,"${key}":"g1"}}}`,
    ]
  ) {
    const line = Buffer.from(text);
    const [span] = subscriptionSpans(line, outlineOfServer(line));
    assert.is(line.toString("utf8", span!.start, span!.end), '"g1"');
  }
});
labels.run();

const headers = suite("decodeHeader()");
headers("base64 is read only where it says so, and only when it is", () => {
  assert.is(decodeHeader("plain"), "plain");
  assert.is(decodeHeader("=?base64?Z3LDvMOfZQ==?="), "grüße");
  assert.is(decodeHeader("=?base64??="), "");
  for (
    const wrong of ["=?base64?Z3LDvMOfZQ=?=", "=?base64?*?=", "=?base64?/w==?=", "=?base64?Z3LDvMOfZR==?="]
  ) {
    assert.is(decodeHeader(wrong), undefined, wrong);
  }
});
headers.run();

const tcp = suite("findSockets()");
const TABLE =
  `  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000  1000        0 40 1 0 100 0 0 10 0
   1: 0100007F:9CB2 0100007F:1F90 01 00000000:00000000 00:00000000 00000000  1001        0 41 1 0 20 4 30 10 -1
   2: 0100007F:1F90 0100007F:9CB2 01 00000000:00000000 00:00000000 00000000  1000        0 42 1 0 20 4 30 10 -1
   3: 0100007F:9CB3 0100007F:1F90 06 00000000:00000000 03:00000157 00000000     0        0 0 3 0
   4: 0100007F:9CB4 0100007F:1F90 01 00000000:00000000 00:00000000 00000000     0        0 0 1 0
   5: 0000000000000000FFFF00000100007F:9CB5 0000000000000000FFFF00000100007F:1F90 01 0:0 00:0 0  1003        0 43 1
   6: 00000000000000000000000001000000:9CB6 00000000000000000000000001000000:1F90 01 0:0 00:0 0  1004        0 44 1
`;
const at = (remotePort: number, address = "127.0.0.1") => ({
  localAddress: address,
  localPort: 0x1f90,
  remoteAddress: address,
  remotePort,
});
tcp("only a connected socket with an inode is somebody's", () => {
  assert.equal(findSockets(TABLE, at(0x9cb2)), [{ uid: 1001, inode: "41" }]);
  assert.equal(findSockets(TABLE, at(0x9cb3)), [], "a closed one, which shows as root's");
  assert.equal(findSockets(TABLE, at(0x9cb4)), [], "one that is being closed");
  assert.equal(
    findSockets(TABLE, at(0x9cb5)),
    [{ uid: 1003, inode: "43" }],
    "an IPv6 socket of an IPv4 address",
  );
  assert.equal(findSockets(TABLE, at(0x9cb6, "::1")), [{ uid: 1004, inode: "44" }]);
  assert.equal(findSockets(TABLE, at(0x1f90)), []);
});
tcp.run();
