/**
 * The few fields of an ELF file that tell what kind of program it is (elf(5)).
 *
 * Trusts: nothing in the file. Every offset and count is the file's own claim: each is bounded, each read says whether
 * the file has these bytes, and nothing is followed twice. Leaves to others: what the fields mean.
 *
 * The class becomes part of the hashing thread's source, so it refers to nothing outside of itself, not even by its
 * own name (a bundler may change that).
 */

/** The bytes of a file, at any place. */
export interface ByteSource {
  readonly size: number;
  /** Exactly `length` bytes, or undefined when the file has no such bytes. */
  read(offset: number, length: number): Buffer | undefined;
}

/** What an executable says of itself. */
export interface Elf {
  /** The kernel starts it by a dynamic loader (PT_INTERP). */
  readonly interpreted: boolean;
  /** Its sections by name, where in the file and how long they claim to be; empty where they were stripped. */
  readonly sections: ReadonlyMap<string, Section>;
  /** The libraries it is linked to (DT_NEEDED). */
  readonly needed: readonly string[];
  /** What it calls itself as a library (DT_SONAME). */
  readonly soname: string | undefined;
  /** Names of its dynamic symbols and more, each ended by NUL; empty for a static program. */
  readonly dynamicStrings: Buffer;
}

/** A named part of the file. */
export interface Section {
  readonly offset: number;
  readonly size: number;
}

interface Segment {
  readonly type: number;
  readonly offset: number;
  readonly address: number;
  readonly size: number;
}

/** Reads one file. */
export class ElfReader {
  // Far above what linkers make; beyond them a file is taken for no ELF.
  readonly #maxSegments = 1024;
  readonly #maxSections = 8192;
  readonly #maxNames = 1 << 20;
  readonly #maxName = 4096;
  readonly #maxDynamic = 1 << 16;
  readonly #maxStrings = 32 << 20;
  readonly #source: ByteSource;
  #wide = false;

  constructor(source: ByteSource) {
    this.#source = source;
  }

  /** @returns Undefined for anything but a little-endian executable whose tables are all within the file. */
  read(): Elf | undefined {
    const header = this.#source.read(0, 52);
    if (header === undefined || header.readUInt32BE(0) !== 0x7f454c46) return undefined;
    // 32 or 64 bits, little-endian: a big-endian program runs here under an emulator only, which is then the image.
    if ((header[4] !== 1 && header[4] !== 2) || header[5] !== 1) return undefined;
    this.#wide = header[4] === 2;
    const whole = this.#source.read(0, this.#wide ? 64 : 52);
    if (whole === undefined) return undefined;
    const type = whole.readUInt16LE(16);
    // ET_EXEC and ET_DYN: nothing else can be executed.
    if (type !== 2 && type !== 3) return undefined;
    const segments = this.#segments(whole);
    const sections = this.#sections(whole);
    const dynamic = segments && this.#dynamic(segments);
    if (segments === undefined || sections === undefined || dynamic === undefined) return undefined;
    return { interpreted: segments.some((segment) => segment.type === 3), sections, ...dynamic };
  }

  #segments(header: Buffer): readonly Segment[] | undefined {
    const size = this.#wide ? 56 : 32;
    const count = header.readUInt16LE(this.#wide ? 56 : 44);
    if (header.readUInt16LE(this.#wide ? 54 : 42) !== size || count === 0 || count > this.#maxSegments) {
      return undefined;
    }
    const table = this.#source.read(this.#word(header, this.#wide ? 32 : 28), count * size);
    if (table === undefined) return undefined;
    return Array.from({ length: count }, (_, index) => {
      const at = index * size;
      return {
        type: table.readUInt32LE(at),
        offset: this.#word(table, at + (this.#wide ? 8 : 4)),
        address: this.#word(table, at + (this.#wide ? 16 : 8)),
        size: this.#word(table, at + (this.#wide ? 32 : 16)),
      };
    });
  }

  #sections(header: Buffer): ReadonlyMap<string, Section> | undefined {
    const start = this.#word(header, this.#wide ? 40 : 32);
    const found = new Map<string, Section>();
    if (start === 0) return found;
    const size = this.#wide ? 64 : 40;
    const count = header.readUInt16LE(this.#wide ? 60 : 48);
    const namesIndex = header.readUInt16LE(this.#wide ? 62 : 50);
    const strange = header.readUInt16LE(this.#wide ? 58 : 46) !== size || count > this.#maxSections;
    if (strange || namesIndex >= count) return undefined;
    const table = this.#source.read(start, count * size);
    if (table === undefined) return undefined;
    const section = (at: number): Section => ({
      offset: this.#word(table, at + (this.#wide ? 24 : 16)),
      size: this.#word(table, at + (this.#wide ? 32 : 20)),
    });
    const { offset, size: length } = section(namesIndex * size);
    const names = length > this.#maxNames ? undefined : this.#source.read(offset, length);
    if (names === undefined) return undefined;
    for (let at = 0; at < table.length; at += size) {
      const name = this.#text(names, table.readUInt32LE(at));
      if (name !== undefined) found.set(name, section(at));
    }
    return found;
  }

  #dynamic(segments: readonly Segment[]): Pick<Elf, "needed" | "soname" | "dynamicStrings"> | undefined {
    const segment = segments.find(({ type }) => type === 2);
    if (segment === undefined) return { needed: [], soname: undefined, dynamicStrings: Buffer.alloc(0) };
    if (segment.size > this.#maxDynamic) return undefined;
    const table = this.#source.read(segment.offset, segment.size);
    if (table === undefined) return undefined;
    const neededAt: number[] = [];
    // DT_SONAME, DT_STRTAB, DT_STRSZ: 14, 5, 10.
    const values = new Map<number, number>();
    const word = this.#wide ? 8 : 4;
    for (let at = 0; at + 2 * word <= table.length; at += 2 * word) {
      const tag = this.#word(table, at);
      if (tag === 0) break;
      if (tag === 1) neededAt.push(this.#word(table, at + word));
      else values.set(tag, this.#word(table, at + word));
    }
    const strings = this.#strings(segments, values.get(5), values.get(10));
    if (strings === undefined) return undefined;
    const needed = neededAt.map((at) => this.#text(strings, at));
    if (needed.includes(undefined)) return undefined;
    const soname = values.get(14);
    return {
      needed: needed.filter((name) => name !== undefined),
      soname: soname === undefined ? undefined : this.#text(strings, soname),
      dynamicStrings: strings,
    };
  }

  /** The string table is named by the address it is loaded at; a segment says where that is in the file. */
  #strings(
    segments: readonly Segment[],
    address: number | undefined,
    size: number | undefined,
  ): Buffer | undefined {
    if (address === undefined || size === undefined || size > this.#maxStrings) return undefined;
    const segment = segments.find((each) =>
      each.type === 1 && each.address <= address && address + size <= each.address + each.size
    );
    return segment && this.#source.read(segment.offset + (address - segment.address), size);
  }

  #word(bytes: Buffer, at: number): number {
    // Above 2^53 a number is no longer exact; no file is that long, so the read that it is for says no.
    return this.#wide ? Number(bytes.readBigUInt64LE(at)) : bytes.readUInt32LE(at);
  }

  #text(strings: Buffer, at: number): string | undefined {
    if (at >= strings.length) return undefined;
    // Bounded each: thousands of entries may all point at one endless string.
    const name = strings.subarray(at, at + this.#maxName);
    const end = name.indexOf(0);
    return end < 0 ? undefined : name.toString("latin1", 0, end);
  }
}
