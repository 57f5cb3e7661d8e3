/* leaderless PATH: connects and asks from its second thread, after its first one has ended: the process lives, and
 * /proc/PID/exe is gone. */
#include "peer.h"
#include <pthread.h>

static void *speak(void *path) {
  char state[64] = "";
  while (strstr(state, ") Z") == NULL) {
    usleep(1000);
    int fd = open("/proc/self/stat", O_RDONLY);
    if (fd < 0 || read(fd, state, sizeof state - 1) < 0) fail("stat");
    close(fd);
  }
  connect_to(path);
  say_line(INITIALIZE);
  if (hear_line()) say_line(CALL);
  hear_all();
  return NULL;
}

int main(int argc, char **argv) {
  pthread_t thread;
  if (argc < 2) return 64;
  prctl(PR_SET_NAME, "claude");
  if (pthread_create(&thread, NULL, speak, argv[1]) != 0) fail("pthread_create");
  pthread_exit(NULL);
}
