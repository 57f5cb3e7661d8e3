/* from-memory NAME PROGRAM ARG…: copies a program into memory and runs it there, where it has no path (memfd_create). */
#include "peer.h"
#include <sys/mman.h>

extern char **environ;

int main(int argc, char **argv) {
  if (argc < 3) return 64;
  char bytes[65536];
  ssize_t count;
  int from = open(argv[2], O_RDONLY), to = memfd_create(argv[1], MFD_CLOEXEC);
  if (from < 0 || to < 0) fail("open");
  while ((count = read(from, bytes, sizeof bytes)) > 0)
    if (write(to, bytes, (size_t)count) != count) fail("write");
  fexecve(to, argv + 2, environ);
  fail("fexecve");
}
