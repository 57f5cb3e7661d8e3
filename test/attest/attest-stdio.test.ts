import { realpathSync } from "node:fs";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { attestUnder, fixture, NODE_PARENT, PYTHON_PARENT, sha256sum, skipped } from "./fixtures/programs.ts";

const test = suite("attestStdio()");
const self = (...args: string[]) => fixture("attest-self.ts", ...args);

test("a node parent is named by the kernel, and measured", () => {
  const { parent, report } = attestUnder(NODE_PARENT, self());
  const { immediate, complete } = report;
  assert.is(complete.transport, "stdio-socket");
  assert.is(complete.credentials.value.pid, parent);
  assert.is(complete.credentials.grade, "kernel");
  assert.is(complete.process.pid, parent);
  assert.equal(complete.process.uid, { value: process.getuid!(), grade: "kernel" });
  assert.equal(immediate.process.executable.sha256, { absent: "pending" });
  assert.is(complete.process.executable.sha256.value, sha256sum(complete.process.executable.path.value));
  assert.is(complete.process.executable.sha256.grade, "lineage", "nobody proved yet who speaks");
  assert.match(complete.process.pidfdInode.value, /^\d+$/);
  assert.equal([report.same, report.afterClose], [true, false]);
});

test("its selectors are SPIRE's, and those of its ancestors", () => {
  const { complete, immediate } = attestUnder(NODE_PARENT, self()).report;
  const { executable } = complete.process;
  for (
    const expected of [
      "sock:mode:stdio",
      `unix:uid:${process.getuid!()}`,
      `unix:gid:${process.getgid!()}`,
      `unix:path:${executable.path.value}`,
      `unix:sha256:${executable.sha256.value}`,
      `chain:0:sha256:${complete.lineage.ancestors[0].executable.sha256.value}`,
    ]
  ) assert.ok(complete.selectors.includes(expected), expected);
  assert.not(immediate.selectors.some((selector: string) => selector.includes("sha256")));
});

test("the first ancestor is the parent of the peer: this test", () => {
  const { complete } = attestUnder(NODE_PARENT, self()).report;
  assert.is(complete.lineage.ancestors[0].pid, process.pid);
  assert.is(complete.lineage.ancestors[0].executable.path.value, realpathSync(process.execPath));
  assert.is(complete.lineage.ancestors[0].executable.sha256.value, sha256sum(process.execPath));
});

test("pipes name nobody: the parent, at grade lineage", () => {
  const { parent, report } = attestUnder(PYTHON_PARENT, self());
  const { complete } = report;
  assert.is(complete.transport, "stdio-pipe");
  assert.equal(complete.credentials, { absent: "not-a-socket:pipe" });
  assert.is(complete.process.pid, parent);
  assert.is(complete.process.executable.sha256.grade, "lineage");
  assert.is(complete.process.executable.sha256.value, sha256sum(complete.process.executable.path.value));
});

test("a shell between the node parent and us does not hide who made the socket", () => {
  const { parent, report } = attestUnder([...NODE_PARENT, "sh", "-c", '"$@"; exit', "sh"], self());
  assert.is(report.complete.process.pid, parent);
  assert.is.not(report.parent, parent, "the shell is our parent");
});

test("/dev/null names nobody, so what is measured becomes no selector", () => {
  const { report } = attestUnder(["sh", "-c", 'echo $$ >&2; "$@" </dev/null; exit', "sh"], self());
  const { complete } = report;
  assert.is(complete.transport, "stdio-file");
  assert.is(complete.process.uid.grade, "kernel");
  assert.is(complete.process.executable.sha256.grade, "heuristic");
  assert.not(
    complete.selectors.some((selector: string) => /^(unix:(sha256|path)|chain|proc)/.test(selector)),
  );
});

test("a guard that made itself non-dumpable still measures", () => {
  const { parent, report } = attestUnder(NODE_PARENT, self("--harden"));
  assert.is(report.complete.process.pid, parent);
  assert.match(report.complete.process.executable.sha256.value, /^[0-9a-f]{64}$/);
  assert.is(report.same, true);
});

// A python program that makes its own arrangements, then becomes or starts the fixture. `sys.argv[1:]` is the fixture.
const python = (body: string) => ["python3", "-c", `import os, socket, subprocess, sys, time\n${body}`];

test("a parent that only reads the pipe is not who writes into it", () => {
  // The naive check finds the pipe among the parent's descriptors and is content.
  const { parent, report } = attestUnder(
    python(`
r, w = os.pipe()
sys.stderr.write("%d\\n" % os.getpid()); sys.stderr.flush()
writer = os.fork()
if writer == 0:
    os.close(r)
    time.sleep(60)
    os._exit(0)
os.close(w)
subprocess.Popen(sys.argv[1:], stdin=r, stdout=subprocess.PIPE).wait()
os.kill(writer, 9); os.wait()
`),
    self(),
  );
  const { complete } = report;
  assert.is(complete.process.pid, parent, "its account is still the parent's");
  assert.is(complete.process.executable.sha256.grade, "heuristic");
  assert.not(complete.selectors.some((selector: string) => selector.startsWith("unix:sha256")));
});

test("who writes into a pipe may be further up than our parent", () => {
  const { parent, report } = attestUnder(
    python(`
sys.stderr.write("%d\\n" % os.getpid()); sys.stderr.flush()
middle = ["sh", "-c", '"$@"; exit', "sh"]
subprocess.Popen(middle + sys.argv[1:], stdin=subprocess.PIPE, stdout=subprocess.PIPE).wait()
`),
    self(),
  );
  assert.is(report.complete.process.pid, parent);
  assert.is.not(report.parent, parent, "the shell is our parent");
  assert.is(report.complete.process.executable.sha256.grade, "lineage");
});

test("the maker of the socket must be an ancestor: another's socket is not who started us", () => {
  const laundered = attestUnder(
    python(`
a, b = socket.socketpair()
sys.stderr.write("%d\\n" % os.getpid()); sys.stderr.flush()
r, w = os.pipe()
if os.fork() == 0:
    middle = os.getpid()
    if os.fork() == 0:
        while os.getppid() == middle: time.sleep(0.01)
        os.dup2(b.fileno(), 0); os.dup2(b.fileno(), 1)
        os.set_inheritable(w, True)
        os.execv(sys.argv[1], sys.argv[1:])
    os._exit(0)
os.wait()
os.close(w)
os.read(r, 1)
`),
    self(),
  );
  const { complete } = laundered.report;
  // The naive check, the executable of SO_PEERCRED's pid, would have named the python that made the socket.
  assert.is(complete.credentials.value.pid, laundered.parent);
  assert.equal(complete.process, { absent: "peer-is-no-ancestor" });
  assert.equal(complete.lineage.ancestors, []);
});

test("two directions that two processes made say nothing", () => {
  const { report } = attestUnder(
    python(`
a, b = socket.socketpair()
if os.fork() == 0:
    c, d = socket.socketpair()
    subprocess.run(sys.argv[1:], stdin=b, stdout=d)
    os._exit(0)
os.wait()
`),
    self(),
  );
  assert.equal(report.complete.credentials, { absent: "stdio-peers-differ" });
  assert.equal(report.complete.process, { absent: "stdio-peers-differ" });
});

test("a peer that is gone is absent, though the kernel still knows its account", () => {
  const { parent, report } = attestUnder(
    python(`
a, b = socket.socketpair()
sys.stderr.write("%d\\n" % os.getpid()); sys.stderr.flush()
os.environ["PARENT"] = str(os.getpid())
a.set_inheritable(True)
subprocess.Popen(sys.argv[1:], stdin=b, stdout=b, close_fds=False)
`),
    self("--orphan"),
  );
  assert.is(report.complete.credentials.value.pid, parent);
  assert.equal(report.complete.process, { absent: "peer-gone" });
});

test("an orphan's parent is not who started it", () => {
  const { parent, report } = attestUnder(
    python(`
r, w = os.pipe()
sys.stderr.write("%d\\n" % os.getpid()); sys.stderr.flush()
os.environ["PARENT"] = str(os.getpid())
subprocess.Popen(sys.argv[1:], stdin=r, stdout=w)
`),
    self("--orphan"),
  );
  // The naive check takes whatever getppid() says.
  assert.is.not(report.parent, parent);
  if (report.parent === 1) assert.equal(report.complete.process, { absent: "no-parent:init" });
  else skipped(`an orphan's parent: ${report.parent} adopts orphans here, instead of pid 1`);
});

test.run();
