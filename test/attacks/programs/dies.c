/* dies PATH: connects, asks and ends; a child that it made keeps the connection, waits for the answer and asks again. */
#include "peer.h"

int main(int argc, char **argv) {
  if (argc < 2) return 64;
  connect_to(argv[1]);
  pid_t pid = fork();
  if (pid < 0) fail("fork");
  if (pid > 0) {
    say_line(INITIALIZE);
    return 0;
  }
  setsid(); /* else the number stays taken, as that of a process group */
  if (hear_line()) say_line(CALL);
  hear_all();
  return 0;
}
