/* impostor PATH: speaks as the agent does, and asks for what it may not have. */
#include "peer.h"

int main(int argc, char **argv) {
  if (argc < 2) return 64;
  connect_to(argv[1]);
  say_line(INITIALIZE);
  if (hear_line()) say_line(CALL);
  hear_all();
  for (;;) pause();
}
