/* impostor PATH [NAME]: speaks as the agent does, and asks for what it may not have. It takes NAME for its own, in the
 * two places where process lists look. */
#include "peer.h"

int main(int argc, char **argv) {
  if (argc < 2) return 64;
  connect_to(argv[1]);
  if (argc > 2) {
    prctl(PR_SET_NAME, argv[2]);
    snprintf(argv[0], strlen(argv[0]) + 1, "%s", argv[2]);
  }
  say_line(INITIALIZE);
  if (hear_line()) say_line(CALL);
  hear_all();
  for (;;) pause();
}
