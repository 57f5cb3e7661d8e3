import { createHash } from "node:crypto";
import {
  chmodSync,
  chownSync,
  linkSync,
  mkdirSync,
  realpathSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { spawnSync } from "node:child_process";
import { userInfo } from "node:os";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { loadPolicyFile } from "../../sidecar/config/policy-file.ts";
import { readVariables } from "../../sidecar/config/variables.ts";
import { rejects, skipUnless, throws, withTempDir } from "../harness.ts";

const test = suite("loadPolicyFile()");
const POLICY = "version: 1\nname: test\n";
const isRoot = process.geteuid?.() === 0;
/** Any uid that is not ours: nobody's, on most systems. */
const STRANGER = 65534;

/** A folder with a policy in it, and how it is loaded. */
async function withPolicy(
  text: string,
  body: (file: string, folder: string) => Promise<void>,
): Promise<void> {
  await withTempDir(async (temp) => {
    const folder = join(realpathSync(temp), "policies");
    mkdirSync(folder, { mode: 0o700 });
    const file = join(folder, "p.yaml");
    writeFileSync(file, text, { mode: 0o600 });
    await body(file, folder);
  });
}

const load = (file: string, cwd = "/") => loadPolicyFile(file, { vars: {}, cwd });

test("a policy of ours that only we can write is loaded, with the digest of its exact bytes", async () => {
  await withPolicy(`${POLICY}# é\r\n`, async (file) => {
    const loaded = await load(file);
    assert.is(loaded.policy.name, "test");
    assert.is(loaded.digest, createHash("sha256").update(`${POLICY}# é\r\n`).digest("hex"));
    assert.is(loaded.file, file);
  });
});

type Spoil = (file: string, folder: string) => string | void;
const unsafe: readonly {
  readonly name: string;
  readonly needsRoot?: true;
  readonly spoil: Spoil;
  readonly says: RegExp;
}[] = [
  {
    name: "a file that its group can write",
    spoil: (file) => chmodSync(file, 0o620),
    says: /written by others \(mode 0620\)/,
  },
  {
    name: "a file that everybody can write",
    spoil: (file) => chmodSync(file, 0o602),
    says: /p\.yaml' can be written/,
  },
  {
    name: "a folder that its group can write",
    spoil: (_, folder) => chmodSync(folder, 0o770),
    says: /the folder .*mode 0770/,
  },
  {
    name: "a folder that everybody can write",
    spoil: (_, folder) => chmodSync(folder, 0o777),
    says: /the folder/,
  },
  {
    name: "a sticky folder that holds the file",
    spoil: (_, folder) => chmodSync(folder, 0o1777),
    says: /mode 1777/,
  },
  {
    name: "a folder above that everybody can write",
    spoil: (_, folder) => {
      chmodSync(join(folder, ".."), 0o777);
    },
    says: /the folder .*mode 0777/,
  },
  {
    name: "a file of somebody else",
    needsRoot: true,
    spoil: (file) => chownSync(file, STRANGER, 0),
    says: /belongs to uid 65534/,
  },
  {
    name: "a folder of somebody else",
    needsRoot: true,
    spoil: (_, folder) => chownSync(folder, STRANGER, 0),
    says: /the folder .* belongs to uid 65534/,
  },
  {
    name: "a link into a folder that others can write",
    spoil: (file, folder) => {
      const open = join(folder, "..", "open");
      mkdirSync(open);
      writeFileSync(join(open, "p.yaml"), POLICY, { mode: 0o600 });
      chmodSync(open, 0o777);
      const link = `${file}.link`;
      symlinkSync(join(open, "p.yaml"), link);
      return link;
    },
    says: /open' can be written/,
  },
  {
    name: "a link in a folder that others can write",
    spoil: (file, folder) => {
      const open = join(folder, "..", "open");
      mkdirSync(open);
      chmodSync(open, 0o777);
      symlinkSync(file, join(open, "link.yaml"));
      return join(open, "link.yaml");
    },
    says: /open' can be written/,
  },
  {
    name: "somebody else's link in a sticky folder",
    needsRoot: true,
    spoil: (file, folder) => {
      const sticky = join(folder, "..", "sticky");
      mkdirSync(sticky);
      chmodSync(sticky, 0o1777);
      const link = join(sticky, "link.yaml");
      symlinkSync(file, link);
      // There is no lchown without following in both runtimes, so the stranger makes it.
      spawnSync("chown", ["-h", String(STRANGER), link]);
      return link;
    },
    says: /the link .* belongs to uid 65534/,
  },
  { name: "a folder instead of a file", spoil: (_, folder) => folder, says: /not a regular file/ },
  { name: "a device", spoil: () => "/dev/null", says: /not a regular file|can be written/ },
  {
    name: "a file of two mebibytes",
    spoil: (file) => truncateSync(file, 2 << 20),
    says: /larger than a mebibyte/,
  },
  {
    name: "a loop of links",
    spoil: (file) => {
      symlinkSync(`${file}.a`, `${file}.b`);
      symlinkSync(`${file}.b`, `${file}.a`);
      return `${file}.a`;
    },
    says: /too many links/,
  },
];

for (const { name, needsRoot, spoil, says } of unsafe) {
  test(`${name} is refused`, async () => {
    if (needsRoot && skipUnless(isRoot, "only root can give files away")) return;
    await withPolicy(POLICY, async (file, folder) => {
      const path = spoil(file, folder) ?? file;
      await rejects(load(path), { code: "ERR_POLICY_UNSAFE", message: says });
    });
  });
}

test("a FIFO is refused and does not hold us up", async () => {
  await withPolicy(POLICY, async (file) => {
    assert.is(spawnSync("mkfifo", ["-m", "600", `${file}.fifo`]).status, 0);
    await rejects(load(`${file}.fifo`), { code: "ERR_POLICY_UNSAFE", message: /not a regular file/ });
  });
});

test("links and hard links of our own are fine", async () => {
  await withPolicy(POLICY, async (file, folder) => {
    symlinkSync("p.yaml", join(folder, "link.yaml"));
    linkSync(file, join(folder, "hard.yaml"));
    symlinkSync(folder, join(folder, "..", "elsewhere"));
    for (
      const path of [
        join(folder, "link.yaml"),
        join(folder, "hard.yaml"),
        join(folder, "..", "elsewhere", "p.yaml"),
      ]
    ) {
      assert.is((await load(path)).policy.name, "test");
    }
  });
});

test("a file that is not there is named", async () => {
  await withPolicy(POLICY, async (file) => {
    await rejects(load(`${file}.no`), { code: "ERR_CONFIG_INVALID", message: /p\.yaml\.no/ });
  });
});

test("every problem is in the message, with its place", async () => {
  await withPolicy("version: 1\nname: test\nrule: []\ndefault: alow\n", async (file) => {
    const error = await rejects(load(file), { code: "ERR_POLICY_INVALID" });
    assert.is(
      error.message,
      `Cannot use the policy '${file}':
  ${file}:3:1: Unknown key 'rule' in the policy (Did you mean 'rules'?)
  ${file}:4:10: 'default' cannot be 'alow' (Did you mean 'allow'?)`,
    );
  });
});

test("bytes that are not UTF-8 are refused", async () => {
  await withPolicy("", async (file) => {
    writeFileSync(file, Buffer.from([...Buffer.from(POLICY), 0x23, 0xff]));
    await rejects(load(file), { code: "ERR_POLICY_INVALID", message: /not UTF-8/ });
  });
});

test("an expired policy is refused, one that expires tomorrow is not", async () => {
  await withPolicy(`${POLICY}expires: 2020-01-01\n`, async (file) => {
    await rejects(load(file), { code: "ERR_POLICY_EXPIRED", message: /expired at 2020-01-02T00:00:00/ });
    const tomorrow = new Date(Date.now() + 86_400_000).toISOString().slice(0, 10);
    writeFileSync(file, `${POLICY}expires: ${tomorrow}\n`);
    assert.is((await load(file)).policy.name, "test");
  });
});

test("$HOME and $PROJECT are what they are, whatever the environment says", async () => {
  await withPolicy(POLICY, async (_, folder) => {
    symlinkSync(folder, join(folder, "here"));
    const before = process.env["HOME"];
    process.env["HOME"] = "/evil";
    try {
      const variables = readVariables({ TEAM: "blue" }, join(folder, "here"));
      assert.equal({ ...variables }, { TEAM: "blue", HOME: userInfo().homedir, PROJECT: folder });
      assert.is.not(variables["HOME"], "/evil");
    } finally {
      if (before === undefined) delete process.env["HOME"];
      else process.env["HOME"] = before;
    }
    assert.is(readVariables({ PROJECT: join(folder, "here") }, "/")["PROJECT"], folder);
  });
});

test("'self' is whoever runs the guard, and names are those of the user database", async () => {
  const clients = "clients:\n  - {name: me, uid: self}\n  - {name: root, user: root, group: root}\n";
  await withPolicy(POLICY + clients, async (file) => {
    const { policy } = await load(file);
    const own = process.geteuid!();
    const may = (uid: number) => policy.clients!.mayAdmit({ uid, gid: 5 });
    assert.equal([may(own), may(0), may(own + 1)], [true, true, false]);
  });
  await withPolicy(`${POLICY}clients:\n  - {name: c, user: no-such-user-here}\n`, async (file) => {
    await rejects(load(file), {
      code: "ERR_POLICY_INVALID",
      message: /:4:21: There is no user 'no-such-user-here'/,
    });
  });
});

test("variables that would be guesses are refused", () => {
  for (const vars of [{ HOME: "/x" }, { lower: "x" }, { PROJECT: "relative" }, { "A-B": "x" }]) {
    throws(() => readVariables(vars as Record<string, string>, "/"), { code: "ERR_CONFIG_INVALID" });
  }
});

test.run();
