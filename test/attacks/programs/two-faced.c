/* two-faced FOLDER UID RUN SHOWN: a file system (FUSE) with one file in it, 'agent'. Who opens it first, and that is the
 * kernel that is to run it, gets the bytes of RUN; everybody after that the bytes of SHOWN. It is mounted by root here,
 * as fusermount does it for everybody on desktops, until stdin ends. */
#include "peer.h"
#include <linux/fuse.h>
#include <sys/mount.h>

enum { FOLDER = 1, THE_FILE = 2 };

static struct face {
  char bytes[1 << 18];
  size_t length;
} faces[2];
static unsigned long long opened;
static uid_t owner;

static void load(struct face *face, const char *path) {
  int fd = open(path, O_RDONLY);
  ssize_t count = fd < 0 ? -1 : read(fd, face->bytes, sizeof face->bytes);
  if (count < 0) fail(path);
  face->length = (size_t)count;
  close(fd);
}

static struct fuse_attr attributes(unsigned long long node) {
  int file = node == THE_FILE;
  size_t size = faces[0].length > faces[1].length ? faces[0].length : faces[1].length;
  return (struct fuse_attr){
    .ino = node, .size = file ? size : 0, .mode = file ? S_IFREG | 0755 : S_IFDIR | 0755, .nlink = 1,
    .uid = owner, .gid = owner, .blksize = 4096};
}

static void answer(int fd, unsigned long long unique, int error, const void *body, size_t length) {
  static char bytes[sizeof(struct fuse_out_header) + sizeof faces[0].bytes];
  struct fuse_out_header header = {.len = (unsigned)(sizeof header + length), .error = -error, .unique = unique};
  memcpy(bytes, &header, sizeof header);
  if (length > 0) memcpy(bytes + sizeof header, body, length);
  if (write(fd, bytes, header.len) < 0 && errno != ENOENT) fail("answer");
}

static void serve_read(int fd, unsigned long long unique, const struct fuse_read_in *in) {
  struct face *face = &faces[in->fh != 1];
  size_t from = in->offset < face->length ? in->offset : face->length;
  size_t length = in->size < face->length - from ? in->size : face->length - from;
  answer(fd, unique, 0, face->bytes + from, length);
}

static void serve(int fd, const struct fuse_in_header *header) {
  const void *in = header + 1;
  unsigned long long unique = header->unique;
  struct fuse_init_out init = {.major = FUSE_KERNEL_VERSION, .minor = 31, .max_write = 4096};
  struct fuse_entry_out entry = {.nodeid = THE_FILE, .attr = attributes(THE_FILE)};
  struct fuse_attr_out attr = {.attr = attributes(header->nodeid)};
  struct fuse_open_out handle = {.open_flags = FOPEN_DIRECT_IO};
  switch (header->opcode) {
    case FUSE_INIT: return answer(fd, unique, 0, &init, sizeof init);
    case FUSE_GETATTR: return answer(fd, unique, 0, &attr, sizeof attr);
    case FUSE_LOOKUP:
      if (strcmp(in, "agent") != 0) return answer(fd, unique, ENOENT, NULL, 0);
      return answer(fd, unique, 0, &entry, sizeof entry);
    case FUSE_OPEN:
      handle.fh = ++opened;
      if (opened == 1) handle.open_flags = FOPEN_KEEP_CACHE;
      return answer(fd, unique, 0, &handle, sizeof handle);
    case FUSE_READ: return serve_read(fd, unique, in);
    case FUSE_FLUSH:
    case FUSE_RELEASE: return answer(fd, unique, 0, NULL, 0);
    case FUSE_FORGET:
    case FUSE_BATCH_FORGET:
    case FUSE_INTERRUPT: return;
    default: return answer(fd, unique, ENOSYS, NULL, 0);
  }
}

int main(int argc, char **argv) {
  static char request[1 << 17] __attribute__((aligned(8)));
  char options[128];
  if (argc < 5) return 64;
  owner = (uid_t)atoi(argv[2]);
  load(&faces[0], argv[3]);
  load(&faces[1], argv[4]);
  int fd = open("/dev/fuse", O_RDWR);
  if (fd < 0) fail("/dev/fuse");
  snprintf(options, sizeof options, "fd=%d,rootmode=40000,user_id=%d,group_id=%d,allow_other", fd, owner, owner);
  if (mount("two-faced", argv[1], "fuse", MS_NOSUID | MS_NODEV, options) < 0) fail("mount");
  say(1, "{\"mounted\":true}\n", 17);
  struct pollfd ends[2] = {{.fd = fd, .events = POLLIN}, {.fd = 0, .events = POLLIN}};
  while (poll(ends, 2, -1) > 0 && ends[1].revents == 0) {
    if (read(fd, request, sizeof request) > 0) serve(fd, (struct fuse_in_header *)request);
  }
  umount2(argv[1], MNT_DETACH);
  return 0;
}
