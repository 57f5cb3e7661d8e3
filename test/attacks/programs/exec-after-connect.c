/* exec-after-connect PATH PROGRAM…: connects, asks, and becomes another program that keeps the connection. */
#include "peer.h"

int main(int argc, char **argv) {
  if (argc < 3) return 64;
  connect_to(argv[1]);
  say_line(INITIALIZE CALL);
  become(argv + 2);
}
