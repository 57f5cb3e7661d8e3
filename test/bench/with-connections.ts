import type { Connection } from "./client.ts";
import type { Conditions } from "./measure.ts";
import type { Subject } from "./subjects.ts";

/** One running server behind each subject, all of them up before the first is measured and idle while others are. */
export async function withConnections<T>(
  { bench, subjects }: Conditions,
  server: readonly string[],
  use: (connections: ReadonlyMap<Subject, Connection>) => Promise<T>,
): Promise<T> {
  const connections = new Map<Subject, Connection>();
  try {
    for (const subject of subjects) {
      const connection = bench.start(subject, server);
      connections.set(subject, connection);
      await connection.initialize();
      await connection.request("tools/list");
    }
    return await use(connections);
  } finally {
    await Promise.all([...connections.values()].map((connection) => connection.close()));
  }
}
