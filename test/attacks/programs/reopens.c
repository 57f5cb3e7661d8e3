/* reopens PID: opens the pipe that a running process writes into, through /proc, and writes into it, too. */
#include "peer.h"

int main(int argc, char **argv) {
  char path[64];
  if (argc < 2) return 64;
  snprintf(path, sizeof path, "/proc/%d/fd/%d", atoi(argv[1]), LINE);
  int fd = open(path, O_WRONLY);
  if (fd < 0) fail(path);
  keep(fd);
  say_line(CALL);
  return 0;
}
