/* speaks-up GO: speaks over the connection that it inherited, once the file GO is there. */
#include "peer.h"

int main(int argc, char **argv) {
  if (argc < 2) return 64;
  wait_for(argv[1]);
  say_line(CALL);
  hear_all();
  return 0;
}
