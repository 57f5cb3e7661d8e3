/**
 * The buffers of one recvmsg(2), made once and used again for every read.
 */
import { credentialSpace, WORD } from "./control-messages.ts";

/** Bytes of one read: what libuv offers for its own, too. */
const DATA_BYTES = 65536;
const MSG_CTRUNC = 8;

/**
 * `struct msghdr` with one `struct iovec`, its data and its control buffer.
 *
 * There is room for one credential message and for nothing else. The kernel writes that one first, so descriptors that
 * a sender passes are dropped inside of the kernel: they never reach our table, and we need not close what may be a
 * file of a FUSE server that never answers.
 */
export class Message {
  readonly data = Buffer.from(new ArrayBuffer(DATA_BYTES));
  readonly control = new DataView(new ArrayBuffer(credentialSpace()));
  /** What recvmsg is given. */
  readonly header: ArrayBuffer;
  readonly #view: DataView;
  /** The header points to it, which no garbage collector sees: it is kept here. */
  readonly #iovec: ArrayBuffer;

  /** @param address Where an ArrayBuffer's bytes are: they do not move as long as it is referenced. */
  constructor(address: (buffer: ArrayBuffer) => bigint) {
    this.#iovec = new ArrayBuffer(2 * WORD);
    const iovec = new DataView(this.#iovec);
    setWord(iovec, 0, address(this.data.buffer as ArrayBuffer));
    setWord(iovec, 1, BigInt(DATA_BYTES));
    this.header = new ArrayBuffer(7 * WORD);
    this.#view = new DataView(this.header);
    setWord(this.#view, 2, address(this.#iovec));
    setWord(this.#view, 3, 1n);
    setWord(this.#view, 4, address(this.control.buffer as ArrayBuffer));
    this.reset();
  }

  /** Before each call: the kernel overwrites the length of the control buffer with what it used of it. */
  reset(): void {
    this.#view.setUint32(5 * WORD, this.control.byteLength, true);
    this.#view.setUint32(6 * WORD, 0, true);
  }

  get controlLength(): number {
    return this.#view.getUint32(5 * WORD, true);
  }

  /** Whether something was sent beside the bytes that did not fit. */
  get truncated(): boolean {
    return (this.#view.getInt32(6 * WORD, true) & MSG_CTRUNC) !== 0;
  }
}

/** `{ name, namelen, iov, iovlen, control, controllen, flags }`: one word each, on 32 and on 64 bits. */
function setWord(view: DataView, index: number, value: bigint): void {
  if (WORD === 8) view.setBigUint64(index * WORD, value, true);
  else view.setUint32(index * WORD, Number(value), true);
}
