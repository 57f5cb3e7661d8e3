import { writeSync } from "node:fs";
import { type AppendFile, openAppendFile } from "./file/append-file.ts";

/** A chain's last record that is in the kernel. */
export interface Head {
  readonly seq: number;
  readonly hash: string;
}

/**
 * Where heads are written down beside the log, so that cutting its end is seen.
 *
 * Lines of JSON: `{"v":1,"file":…,"chain":…,"seq":…,"hash":…,"time":…}`; `file` names the log by its first line, so that
 * heads of a rotated log are not looked for in the next one. An anchor is worth as much as it is out of reach of whoever
 * can write the log: a descriptor to another machine, or a file on append-only storage, is worth more than the default.
 */
export interface Anchor {
  /** Throws as the kernel does. */
  write(line: AnchorLine): void;
  close(): void;
}

export interface AnchorLine extends Head {
  readonly file: string;
  readonly chain: string;
  readonly time: string;
}

/**
 * @param target A path, or a descriptor that stays the caller's.
 * @throws {GuardError} `ERR_AUDIT_UNWRITABLE` where the file is not safe, as for the log itself.
 */
export function openAnchor(target: string | number): Anchor {
  if (typeof target === "number") return { write: (line) => writeAll(target, anchorText(line)), close() {} };
  const file = openAppendFile(target);
  return {
    write(line) {
      const text = Buffer.from((endsLine(file) ? "" : "\n") + anchorText(line), "latin1");
      if (file.append(text) !== text.length) throw new Error(`the disk took only a part of the head`);
    },
    close: () => file.close(),
  };
}

// A pipe that is full takes a part or EAGAIN: the caller says so in the log, and the next head follows in a minute.
function writeAll(fd: number, text: string): void {
  const bytes = Buffer.from(text, "latin1");
  if (writeSync(fd, bytes, 0, bytes.length, null) !== bytes.length) {
    throw new Error(`descriptor ${fd} took only a part of the head`);
  }
}

function anchorText(line: AnchorLine): string {
  const { file, chain, seq, hash, time } = line;
  return `{"v":1,"file":"${file}","chain":"${chain}","seq":${seq},"hash":"${hash}","time":"${time}"}\n`;
}

function endsLine(file: AppendFile): boolean {
  const size = file.size();
  const last = Buffer.alloc(1);
  return size === 0 || (file.read(last, size - 1) === 1 && last[0] === 0x0a);
}
