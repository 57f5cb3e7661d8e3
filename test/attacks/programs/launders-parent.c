/* launders-parent PATH PROGRAM…: makes a child and becomes another program. The child connects and asks: its parent is
 * PROGRAM now, which never started it. */
#include "peer.h"

int main(int argc, char **argv) {
  if (argc < 3) return 64;
  if (fork_helper() == 0) {
    wait_for_exec(getppid());
    connect_to(argv[1]);
    say_line(INITIALIZE);
    if (hear_line()) say_line(CALL);
    hear_all();
    for (;;) pause();
  }
  become(argv + 2);
}
