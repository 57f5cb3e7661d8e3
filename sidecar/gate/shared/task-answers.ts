/** What the messages of a shared server and its peers say of tasks. */
import { Buffer } from "node:buffer";
import { Slot } from "../../protocol/keys.ts";
import { decodeString } from "../../relay/json-lexer.ts";
import { elementsOf, type Member, membersOf, type Span } from "../../relay/json-members.ts";
import type { MessageSlots } from "../../relay/message-slots.ts";
import type { AnswerLine } from "./asked.ts";
import type { Share } from "./share.ts";
import type { Splice } from "./splice.ts";
import type { Tasks } from "./tasks.ts";

const QUOTE = 0x22;

/** The task that an answer says was begun: `task.taskId` (2025-11-25), or `taskId` beside `resultType: task` (modern). */
export function taskIdIn({ bytes, result }: AnswerLine): string | undefined {
  if (result === undefined) return undefined;
  const members = membersOf(bytes, result.start, result.end);
  const task = valueOf(members, "task");
  const inTask = task === undefined ? undefined : membersOf(bytes, task.start, task.end);
  return textOf(bytes, valueOf(inTask, "taskId")) ?? textOf(bytes, valueOf(members, "taskId"));
}

/** Takes the tasks of others out of a list, and leaves every other byte as it is. */
export function keepOwnTasks(
  { bytes, result }: AnswerLine,
  share: Share,
  tasks: Tasks,
): readonly Splice[] | "unreadable" {
  if (result === undefined) return [];
  const list = valueOf(membersOf(bytes, result.start, result.end), "tasks");
  const elements = list === undefined ? undefined : elementsOf(bytes, list.start, list.end);
  if (list === undefined || elements === undefined) return "unreadable";
  const own = elements.filter((element) => tasks.owns(share, taskIdOf(bytes, element)));
  if (own.length === elements.length) return [];
  const parts = own.flatMap((element, i) => [
    ...(i === 0 ? [] : [Buffer.from(",")]),
    bytes.subarray(element.start, element.end),
  ]);
  const text = Buffer.concat([Buffer.from("["), ...parts, Buffer.from("]")]);
  return [{ start: list.start, end: list.end, text }];
}

/** The tasks that a `subscriptions/listen` wants to hear of; undefined when that cannot be read. */
export function listenedTasks(bytes: Buffer, scanner: MessageSlots): readonly string[] | undefined {
  if (!scanner.has(Slot.notifications)) return [];
  const filter = membersOf(bytes, scanner.start(Slot.notifications), scanner.end(Slot.notifications));
  const list = filter?.find(({ key }) => key === "taskIds")?.value;
  if (filter === undefined || list === undefined) return filter === undefined ? undefined : [];
  const ids = elementsOf(bytes, list.start, list.end)?.map((element) => textOf(bytes, element));
  return ids?.every((id) => id !== undefined) === true ? ids : undefined;
}

/** The task that a message belongs to, by its `_meta` (2025-11-25). */
export function relatedTask(bytes: Buffer, meta: Span): string | undefined {
  const related = valueOf(membersOf(bytes, meta.start, meta.end), "io.modelcontextprotocol/related-task");
  return related === undefined ? undefined : taskIdOf(bytes, related);
}

function taskIdOf(bytes: Buffer, at: Span): string | undefined {
  return textOf(bytes, valueOf(membersOf(bytes, at.start, at.end), "taskId"));
}

/** A key that stands twice has no value: readers differ in which of the two they take. */
export function valueOf(members: readonly Member[] | undefined, key: string): Span | undefined {
  const found = members?.filter((member) => member.key === key);
  return found?.length === 1 ? found[0]?.value : undefined;
}

function textOf(bytes: Buffer, at: Span | undefined): string | undefined {
  return at !== undefined && bytes[at.start] === QUOTE
    ? decodeString(bytes, at.start + 1, at.end - 1)
    : undefined;
}
