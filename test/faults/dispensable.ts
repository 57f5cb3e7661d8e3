import type { Dispensable } from "./try-all.ts";

/** Calls that may fail and leave the peer admitted, and why that gives nothing away. All others must end in a refusal. */
export const DISPENSABLE: Dispensable = [
  [/^statSync pidfd of/, "the pidfd's inode is one name more for the log"],
  [
    /^lstatSync \//,
    "whether only root can change a file: without it the grade is lower, and enough for this entry",
  ],
  [
    /^(openSync|readSync) \/etc\/(passwd|group) #/,
    "names of accounts, for selectors; the entry goes by the number",
  ],
  [/^(pidfdOpen|open) the parent #1,/, "a parent that cannot be opened is asked for anew, three times"],
  [/^(readFileSync|readable) pidfd of the parent #1,/, "likewise"],
  [/^readable pidfd of the parent #3,/, "it was asked for the parent's own parents"],
  [/^(openSync|readSync) the parent\/stat #/, "likewise; later it would be the parent's own parents"],
  [
    /^(openSync|readSync) the (peer|parent)\/attr\/current #/,
    "a security label, of which the entry says nothing",
  ],
  [/^statSync the (peer|parent)\/ns\/pid #/, "a namespace, of which the entry says nothing"],
  [/^statSync the parent\/ns\/mnt #2,/, "the same of the parent"],
  [
    /^(openSync|readSync) the peer\/maps #|^statSync \/usr\/lib/,
    "mapped files: what cannot be told lowers the grade",
  ],
  [/^statSync the peer\/(ns\/mnt #3|root #2),|^readlinkSync the peer\/exe #2,/, "likewise"],
  [
    /^(statSync the parent\/exe|openSync the parent\/auxv) #3,/,
    "the parent's own word, which nobody asked for",
  ],
  [/^readSync the parent\/auxv #[56],|^readable pidfd of the parent #5,/, "likewise"],
  [/^(fstatSync|statfsSync) .*\/starter #3,/, "whether its digest may be remembered"],
  [/^count socket #/, "how much waits: then all that ever comes counts as sent too early"],
  [/^receive socket #1, (EAGAIN|EINTR)$/, "it is read again"],
  [/^receive socket #2/, "the first bytes are here by then"],
  [/^readSync .* #\d*[02468], nothing$/, "the end of a file, which it is"],
  [/^readSync the peer\/environ #1, nothing$/, "no variables: a process may have none"],
];

/** On the way of a connection, where the peer's own parent is the first that is asked for. */
export const OF_CONNECTIONS: Dispensable = [
  [
    /^(openSync|readSync) the peer\/stat #[2-4],/,
    "a parent that cannot be opened is asked for anew, three times",
  ],
  [/^readable pidfd of the peer #3,/, "likewise"],
];

/** On the way of standard streams, where it is first the parent of the streams' owner, which has to be the peer. */
export const OF_STREAMS: Dispensable = [
  [
    /^(pidfdOpen the peer #1|open the peer #3|readFileSync pidfd of the peer #3|readable pidfd of the peer #5),/,
    "the owner's parent, which is asked for anew, three times",
  ],
  [/^(openSync the peer\/stat #1|readSync the peer\/stat #[12]),/, "likewise: when it was born"],
  [
    /^(openSync the owner\/stat #2|readSync the owner\/stat #[34]|readable pidfd of the owner #2),/,
    "likewise: whether it is still the parent",
  ],
  [
    /^(openSync the peer\/stat #3|readSync the peer\/stat #[56]|readable pidfd of the peer #9),/,
    "the same of the peer's own parent",
  ],
];
