/* naive-guard RECORD: what guards do today about the program that started them, seen from inside. Who made its stdin
 * (SO_PEERCRED) and who is its parent go to RECORD, then every line it receives; each is answered. */
#include "peer.h"

int main(int argc, char **argv) {
  static char line[65536];
  struct ucred peer = {0};
  socklen_t size = sizeof peer;
  FILE *record = argc > 1 ? fopen(argv[1], "w") : NULL;
  if (record == NULL) return 64;
  getsockopt(0, SOL_SOCKET, SO_PEERCRED, &peer, &size);
  fprintf(record, "{\"peer\":%d,\"parent\":%d}\n", (int)peer.pid, (int)getppid());
  fflush(record);
  while (fgets(line, sizeof line, stdin) != NULL) {
    fputs(line, record);
    fflush(record);
    say(1, "{\"jsonrpc\":\"2.0\",\"id\":\"evil-0\",\"result\":{}}\n", 44);
  }
  return 0;
}
