/* undumpable PATH: what impostor does, after it has closed itself to the looks of its own user. */
#include "peer.h"

int main(int argc, char **argv) {
  if (argc < 2) return 64;
  prctl(PR_SET_DUMPABLE, 0);
  prctl(PR_SET_NAME, "claude");
  connect_to(argv[1]);
  say_line(INITIALIZE);
  if (hear_line()) say_line(CALL);
  hear_all();
  for (;;) pause();
}
