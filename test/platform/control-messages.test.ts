import fc from "fast-check";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import {
  credentialSpace,
  descriptorMessage,
  parseControl,
} from "../../sidecar/platform/linux/control-messages.ts";

const test = suite("parseControl()");
const NOTHING = { sender: undefined, descriptors: [], rights: false };
const [RIGHTS, CREDENTIALS, PIDFD] = [1, 2, 4];

interface Cmsg {
  readonly level?: number;
  readonly type: number;
  readonly payload: readonly number[];
  /** What the header says, where it is not the truth. */
  readonly length?: number;
}

const WORDS = [4, 8];
const header = (word: number) => word + 8;
const aligned = (size: number, word: number) => Math.ceil(size / word) * word;

/** Lays messages out as cmsg(3) says. `payload` is of 32-bit numbers. */
function layOut(messages: readonly Cmsg[], word: number): DataView {
  const sizes = messages.map(({ payload }) => aligned(header(word) + payload.length * 4, word));
  const view = new DataView(new ArrayBuffer(sizes.reduce((sum, size) => sum + size, 0)));
  let at = 0;
  for (const [index, { level = 1, type, payload, length }] of messages.entries()) {
    view.setUint32(at, length ?? header(word) + payload.length * 4, true);
    view.setInt32(at + word, level, true);
    view.setInt32(at + word + 4, type, true);
    payload.forEach((value, place) => view.setInt32(at + header(word) + place * 4, value, true));
    at += sizes[index]!;
  }
  return view;
}

for (const word of WORDS) {
  const parse = (...messages: Cmsg[]) => {
    const view = layOut(messages, word);
    return parseControl(view, view.byteLength, word);
  };
  const ours: Cmsg = { type: CREDENTIALS, payload: [4242, 1000, 100] };
  const sender = { pid: 4242, uid: 1000, gid: 100 };
  const title = (text: string) => `${word * 8} bits: ${text}`;

  test(title("one credential message is the sender"), () => {
    assert.equal(parse(ours), { ...NOTHING, sender });
    assert.is(credentialSpace(word), layOut([ours], word).byteLength);
    assert.equal(parse({ type: CREDENTIALS, payload: [0, 65534, -1] }).sender, {
      pid: 0,
      uid: 65534,
      gid: 0xffffffff,
    });
  });

  for (
    const { name, messages, expect } of [
      { name: "nothing", messages: [], expect: NOTHING },
      { name: "two senders are none", messages: [ours, ours], expect: NOTHING },
      {
        name: "a short one beside a whole one is none",
        messages: [ours, { type: CREDENTIALS, payload: [1, 2] }],
        expect: NOTHING,
      },
      {
        name: "a long one is none",
        messages: [{ type: CREDENTIALS, payload: [1, 2, 3, 4] }],
        expect: NOTHING,
      },
      {
        name: "a negative pid is none",
        messages: [{ type: CREDENTIALS, payload: [-1, 2, 3] }],
        expect: NOTHING,
      },
      { name: "of another level is none", messages: [{ ...ours, level: 41 }], expect: NOTHING },
      {
        name: "descriptors are told, before and after the sender",
        messages: [{ type: RIGHTS, payload: [7, 8, 9] }, ours, { type: RIGHTS, payload: [10] }],
        expect: { sender, descriptors: [7, 8, 9, 10], rights: true },
      },
      {
        name: "a pidfd is a descriptor, and nobody's gift",
        messages: [ours, { type: PIDFD, payload: [12] }],
        expect: { sender, descriptors: [12], rights: false },
      },
      {
        name: "an unknown one is stepped over",
        messages: [{ type: 99, payload: [1] }, ours],
        expect: { ...NOTHING, sender },
      },
      {
        name: "a length shorter than its header ends the list",
        messages: [{ type: 99, payload: [1], length: header(word) - 1 }, ours],
        expect: NOTHING,
      },
      {
        name: "a length of zero ends the list",
        messages: [{ type: 99, payload: [1], length: 0 }, ours],
        expect: NOTHING,
      },
      {
        name: "a length past the end ends the list",
        messages: [{ ...ours, length: 200 }],
        expect: NOTHING,
      },
      {
        name: "a length that would wrap around ends the list",
        messages: [{ ...ours, length: -4 }],
        expect: NOTHING,
      },
    ]
  ) test(title(name), () => assert.equal(parse(...messages), expect));

  test(title("a sender that is cut anywhere is none"), () => {
    const view = layOut([ours], word);
    const whole = header(word) + 12;
    for (let length = 0; length < view.byteLength; length++) {
      assert.equal(
        parseControl(view, length, word).sender,
        length < whole ? undefined : sender,
        String(length),
      );
    }
    assert.is(parseControl(view, view.byteLength + 1, word).sender, undefined, "more than there is");
    assert.is(parseControl(view, -1, word).sender, undefined);
  });

  const cmsg: fc.Arbitrary<Cmsg> = fc.record({
    level: fc.constantFrom(1, 1, 1, 0, 41),
    type: fc.constantFrom(RIGHTS, CREDENTIALS, PIDFD, 3, 99),
    payload: fc.array(fc.integer({ min: 0, max: 2 ** 31 - 1 }), { maxLength: 5 }),
  });

  test(title("any list of messages gives all its descriptors, and a sender only if there is one"), () => {
    fc.assert(fc.property(fc.array(cmsg, { maxLength: 5 }), (messages) => {
      const known = messages.filter(({ level }) => level === 1);
      const senders = known.filter(({ type }) => type === CREDENTIALS);
      const only = senders.length === 1 && senders[0]!.payload.length === 3 ? senders[0]!.payload : undefined;
      const passed = known.filter(({ type }) => type === RIGHTS || type === PIDFD);
      assert.equal(parse(...messages), {
        sender: only && { pid: only[0], uid: only[1], gid: only[2] },
        descriptors: passed.flatMap(({ payload }) => payload),
        rights: known.some(({ type }) => type === RIGHTS),
      });
    }));
  });

  test(title("any bytes at all: it neither throws nor hangs, and reads within its bounds"), () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 96 }), fc.integer({ min: -8, max: 128 }), (bytes, length) => {
        const { sender, descriptors } = parseControl(
          new DataView(bytes.buffer, bytes.byteOffset, bytes.length),
          length,
          word,
        );
        assert.ok(sender === undefined || (sender.pid >= 0 && length >= header(word) + 12));
        assert.ok(descriptors.length * 4 <= bytes.length);
        assert.ok(descriptors.every((fd) => fd >= 0));
      }),
    );
  });
}

test("what we hand over is what such a message reads as, on machines of either word", () => {
  fc.assert(
    fc.property(
      fc.array(fc.nat(2 ** 31 - 1), { minLength: 1, maxLength: 8 }),
      fc.constantFrom(4, 8),
      (fds, word) => {
        const bytes = descriptorMessage(fds, word);
        assert.equal(parseControl(bytes, bytes.byteLength, word), {
          sender: undefined,
          descriptors: fds,
          rights: true,
        });
      },
    ),
  );
});

test.run();
