/**
 * Tells from an executable's bytes whether it runs its own code, or whatever it is given.
 *
 * It errs towards "whatever": what cannot be parsed, is packed, or is linked to an interpreter's library is no `native`
 * program. It does not find what hides on purpose, such as an interpreter written for this end: whoever trusts a digest
 * trusts those bytes. Its worth is that nobody trusts `node` by mistake, under whichever name.
 *
 * The class becomes part of the hashing thread's source, so it refers to nothing outside of itself.
 */
import type { RuntimeKind } from "../../model/evidence.ts";
import type { ByteSource, Elf } from "./elf.ts";

type Linked = readonly [kind: RuntimeKind, libraries: readonly string[], symbols: readonly string[]];

/** Judges one file: by its tables at once, by its content when told which of `marks` are in it. */
export class KindFinder {
  /** Library name beginnings, and dynamic symbols, by which an interpreter is linked or is one itself. */
  readonly #linked: readonly Linked[] = [
    ["python", ["libpython"], ["Py_BytesMain", "Py_Main", "Py_RunMain", "Py_Initialize"]],
    ["ruby", ["libruby"], ["ruby_run_node", "ruby_exec_node"]],
    ["perl", ["libperl"], ["perl_run"]],
    ["java", ["libjli", "libjvm"], ["JLI_Launch", "JNI_CreateJavaVM"]],
  ];
  /** The same of interpreters that no policy has a word for. */
  readonly #others: Linked = [
    "unknown-runtime",
    ["liblua", "libphp", "libtcl", "libguile", "libmono", "libcoreclr", "libhostfxr", "libR.so", "libjulia"],
    ["lua_newstate", "luaL_newstate", "php_execute_script", "zend_eval_string", "Tcl_CreateInterp"],
  ];
  /** What stands in programs that have no symbols to go by. */
  readonly #content: readonly (readonly [RuntimeKind, readonly string[]])[] = [
    ["busybox", ["BusyBox v"]],
    ["emulator", ["QEMU_LD_PREFIX", "BOX64_LD_LIBRARY_PATH", "VALGRIND_LIB"]],
    ["relay", ["socat by Gerhard Rieger", "OpenBSD netcat", "to connect to Ncat", "local listen fuxored"]],
    ["relay", ["usage: ssh [-", "Send Telnet "]],
    ["shell", ["$OPTIND has an invalid value"]],
    ["unknown-runtime", ["AWKPATH"]],
  ];
  /** Both in one file; too short to be looked for in large ones. */
  readonly #shell = ["PS4", "OPTIND"];
  readonly #loader = ["LD_TRACE_LOADED_OBJECTS", "Dynamic Program Loader"];
  /** The digit tells whether a program was put in (postject and `--build-sea` turn 0 into 1). */
  readonly #nodeFuse = "NODE_SEA_FUSE_fce680ab2cc467b6e072b8b5df1996b2:1";
  readonly #electron = "ELECTRON_RUN_AS_NODE";
  readonly #denoMagic = "d3n0l4nd";
  readonly #bunTrailer = "\n---- Bun! ----\n";

  /** Sections in which a compiler puts no text. */
  readonly #textless = [".text", ".dynsym", ".dynstr", ".eh_frame", ".rela.dyn", ".symtab", ".strtab"];

  readonly #elf: Elf | undefined;
  readonly #head: string;
  readonly #tail: string;
  /** Texts to look for in the whole file, as Latin-1; which are there is asked for by `kind`. */
  readonly marks: readonly string[];
  /** Where they need not be looked for: machine code and tables of the linker, half of a large program. */
  readonly skip: readonly { readonly offset: number; readonly size: number }[];

  constructor(elf: Elf | undefined, source: ByteSource) {
    this.#elf = elf;
    this.skip = this.#textless.flatMap((name) => elf?.sections.get(name) ?? []);
    this.#head = (source.read(0, Math.min(source.size, 4096)) ?? Buffer.alloc(0)).toString("latin1");
    const end = Math.min(source.size, 64);
    this.#tail = (source.read(source.size - end, end) ?? Buffer.alloc(0)).toString("latin1");
    this.marks = this.#marks(source.size);
  }

  /** @param found Those of `marks` that are in the file. */
  kind(found: ReadonlySet<string>): RuntimeKind {
    const elf = this.#elf;
    // Packed: what runs is not what is read here.
    if (elf === undefined || this.#head.includes("UPX!")) return "unknown-runtime";
    if (this.#isJavaScript(elf)) return this.#javaScript(elf, found);
    // A runtime that was stripped of its symbols keeps its program.
    if (this.#holdsBunProgram(elf)) return "bun-compiled";
    if (this.#holdsDenoProgram(elf)) return "deno-compiled";
    const linked = this.#linked.find((each) => this.#isLinked(elf, each));
    if (linked !== undefined) return linked[0];
    const content = this.#content.find(([, marks]) => marks.some((mark) => found.has(mark)));
    if (content !== undefined) return content[0];
    if (this.#isLoader(elf, found)) return "loader";
    if (this.#isLinked(elf, this.#others)) return this.#others[0];
    return this.#shell.every((mark) => found.has(mark)) ? "shell" : "native";
  }

  #marks(size: number): readonly string[] {
    if (this.#elf === undefined) return [];
    // Large as these are, each mark costs some 20 ms per 100 MB: only the ones that matter.
    if (this.#isJavaScript(this.#elf)) {
      if (this.#isBun(this.#elf)) return [];
      return this.#isNode(this.#elf) ? [this.#nodeFuse, this.#electron] : [this.#denoMagic];
    }
    if (size > 16 << 20) return [];
    const marks = this.#content.flatMap(([, each]) => each);
    if (size <= 4 << 20) marks.push(...this.#shell);
    if (!this.#elf.interpreted) marks.push(...this.#loader);
    return marks;
  }

  #isLinked(elf: Elf, [, libraries, symbols]: Linked): boolean {
    return elf.needed.some((name) => libraries.some((library) => name.startsWith(library))) ||
      symbols.some((symbol) => this.#names(elf, symbol));
  }

  #isJavaScript(elf: Elf): boolean {
    // Every runtime that can load native addons offers them Node-API.
    return this.#names(elf, "napi_create_function") || elf.needed.some((name) => name.startsWith("libnode."));
  }

  #javaScript(elf: Elf, found: ReadonlySet<string>): RuntimeKind {
    if (this.#isBun(elf)) return this.#holdsBunProgram(elf) ? "bun-compiled" : "bun";
    if (this.#holdsDenoProgram(elf)) return "deno-compiled";
    if (found.has(this.#electron)) return "electron";
    if (found.has(this.#nodeFuse)) return "node-compiled";
    if (this.#isNode(elf)) return "node";
    return found.has(this.#denoMagic) ? "deno" : "unknown-runtime";
  }

  #isNode(elf: Elf): boolean {
    return elf.needed.some((name) => name.startsWith("libnode.")) ||
      elf.dynamicStrings.includes("_ZN4node", 0, "latin1");
  }

  #isBun(elf: Elf): boolean {
    return elf.sections.has(".bun") || elf.dynamicStrings.includes("BUN_1.", 0, "latin1");
  }

  /** In plain Bun that section is eight bytes of nothing; older ones appended the program to the file. */
  #holdsBunProgram(elf: Elf): boolean {
    const section = elf.sections.get(".bun");
    const plain = section === undefined || (section.size <= 8 && this.#isJavaScript(elf));
    return !plain || this.#tail.includes(this.#bunTrailer);
  }

  /** Deno adds a note; older ones appended the program, which ends with the magic and a few numbers. */
  #holdsDenoProgram(elf: Elf): boolean {
    return elf.sections.has(".note.sui") || this.#tail.includes(this.#denoMagic);
  }

  #isLoader(elf: Elf, found: ReadonlySet<string>): boolean {
    if (elf.interpreted) return false;
    return /^ld[-.\d]/.test(elf.soname ?? "") || this.#names(elf, "_dl_rtld_di_serinfo") ||
      this.#loader.some((mark) => found.has(mark));
  }

  /** A linker may let one name be the end of a longer one, so only its own end is looked for. */
  #names(elf: Elf, symbol: string): boolean {
    return elf.dynamicStrings.includes(`${symbol}\0`, 0, "latin1");
  }
}
