/* helper-answers PATH PROGRAM…: connects, opens a session and becomes another program, while a child that it made
 * before waits for the answer and goes on in its name. */
#include "peer.h"

int main(int argc, char **argv) {
  if (argc < 3) return 64;
  connect_to(argv[1]);
  if (fork_helper() == 0) {
    if (hear_line()) say_line(CALL);
    hear_all();
    return 0;
  }
  say_line(INITIALIZE);
  become(argv + 2);
}
