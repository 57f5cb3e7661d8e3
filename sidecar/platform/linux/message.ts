/**
 * The buffers of one recvmsg(2), made once and used again for every read.
 */
import { credentialSpace, descriptorSpace, WORD } from "./control-messages.ts";

/** Bytes of one read: what libuv offers for its own, too. */
const DATA_BYTES = 65536;
const MSG_CTRUNC = 8;

/** `struct msghdr`, and the `struct iovec` that it points to: no garbage collector sees that, so both are kept. */
export interface MessageHeader {
  /** What sendmsg and recvmsg are given. */
  readonly bytes: ArrayBuffer;
  readonly iovec: ArrayBuffer;
}

/** @param address Where an ArrayBuffer's bytes are: they do not move as long as it is referenced. */
export function messageHeader(
  address: (buffer: ArrayBuffer) => bigint,
  data: ArrayBuffer,
  control: ArrayBuffer,
): MessageHeader {
  const iovec = new ArrayBuffer(2 * WORD);
  const parts = new DataView(iovec);
  setWord(parts, 0, address(data));
  setWord(parts, 1, BigInt(data.byteLength));
  const bytes = new ArrayBuffer(7 * WORD);
  const header = new DataView(bytes);
  setWord(header, 2, address(iovec));
  setWord(header, 3, 1n);
  setWord(header, 4, address(control));
  setWord(header, 5, BigInt(control.byteLength));
  return { bytes, iovec };
}

/**
 * `struct msghdr` with one `struct iovec`, its data and its control buffer.
 *
 * There is room for one credential message, and for descriptors only where they are expected. The kernel writes
 * credentials first, so all others that a sender passes are dropped inside of the kernel: they never reach our table,
 * and we need not close what may be a file of a FUSE server that never answers.
 */
export class Message {
  readonly data = Buffer.from(new ArrayBuffer(DATA_BYTES));
  readonly control: DataView;
  readonly header: MessageHeader;
  readonly #view: DataView;

  /** @param descriptors How many there is room for. */
  constructor(address: (buffer: ArrayBuffer) => bigint, descriptors: number) {
    this.control = new DataView(new ArrayBuffer(credentialSpace() + descriptorSpace(descriptors)));
    this.header = messageHeader(address, this.data.buffer, this.control.buffer as ArrayBuffer);
    this.#view = new DataView(this.header.bytes);
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
