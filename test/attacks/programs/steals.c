/* steals PID GO: takes the connection out of a running process (pidfd_getfd), and speaks over it once GO is there. */
#include "peer.h"
#include <sys/syscall.h>

int main(int argc, char **argv) {
  if (argc < 3) return 64;
  int process = (int)syscall(SYS_pidfd_open, atoi(argv[1]), 0);
  int stolen = (int)syscall(SYS_pidfd_getfd, process, LINE, 0);
  if (process < 0 || stolen < 0) fail("pidfd_getfd");
  keep(stolen);
  say(1, "{\"stolen\":true}\n", 16);
  wait_for(argv[2]);
  say_line(CALL);
  hear_all();
  return 0;
}
