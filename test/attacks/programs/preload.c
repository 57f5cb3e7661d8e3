/* A library for LD_PRELOAD: what the program sends goes out with 'harmless' turned into 'injected'. It takes its own
 * name out of the environment first, so that /proc/PID/environ no longer tells. */
#include "peer.h"
#include <dlfcn.h>

extern char **environ;

__attribute__((constructor)) static void scrub(void) {
  for (char **entry = environ; *entry != NULL; entry++) {
    if (strncmp(*entry, "LD_PRELOAD=", 11) == 0) memset(*entry, 'x', strlen(*entry));
  }
}

ssize_t send(int fd, const void *bytes, size_t length, int flags) {
  ssize_t (*real)(int, const void *, size_t, int) =
    (ssize_t(*)(int, const void *, size_t, int))dlsym(RTLD_NEXT, "send");
  char *found = memmem(bytes, length, "harmless", 8);
  if (found != NULL) memcpy(found, "injected", 8);
  return real(fd, bytes, length, flags);
}
