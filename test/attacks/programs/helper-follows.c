/* helper-follows PATH GO PROGRAM…: connects and becomes another program, which speaks for itself. A child that it made
 * before speaks too, once the file GO is there. */
#include "peer.h"

int main(int argc, char **argv) {
  if (argc < 4) return 64;
  connect_to(argv[1]);
  if (fork_helper() == 0) {
    wait_for(argv[2]);
    say_line(CALL);
    hear_all();
    return 0;
  }
  become(argv + 3);
}
