/* The program that a policy trusts: it passes what the test says on to its connection, and back.
 *
 *   agent connect PATH [PROGRAM…]   over a Unix socket; PROGRAM is started beside it and inherits the connection
 *   agent kept                      over the connection that it finds at its descriptor
 *   agent socket COMMAND…           starts COMMAND with one end of a socketpair as its stdin and stdout
 *   agent pipes COMMAND…            the same with pipes
 *   agent idle                      holds whatever it inherited, and says nothing
 */
#include "peer.h"

static int hearing = LINE; /* where answers come from: with pipes another descriptor than where we write */

static void start_beside(char **command) {
  if (command[0] != NULL && fork_helper() == 0) become(command);
}

static void start_behind(int in, int out, char **command) {
  if (fork_helper() != 0) return;
  dup2(in, 0);
  dup2(out, 1);
  for (int fd = 3; fd < 64; fd++) close(fd);
  become(command);
}

static void over_socket(char **command) {
  int pair[2];
  if (socketpair(AF_UNIX, SOCK_STREAM, 0, pair) < 0) fail("socketpair");
  start_behind(pair[1], pair[1], command);
  close(pair[1]);
  keep(pair[0]);
}

static void over_pipes(char **command) {
  int to[2], from[2];
  if (pipe(to) < 0 || pipe(from) < 0) fail("pipe");
  start_behind(to[0], from[1], command);
  close(to[0]);
  close(from[1]);
  keep(to[1]);
  hearing = from[0];
}

/* Copies what is there; 0 at the end. */
static int copy(int from, int to) {
  char bytes[65536];
  ssize_t count = read(from, bytes, sizeof bytes);
  if (count <= 0) return 0;
  say(to, bytes, (size_t)count);
  return 1;
}

static void converse(void) {
  struct pollfd ends[2] = {{.fd = 0, .events = POLLIN}, {.fd = hearing, .events = POLLIN}};
  while (poll(ends, 2, -1) > 0 || errno == EINTR) {
    if (ends[1].revents != 0 && !copy(hearing, 1)) return;
    if (ends[0].revents == 0 || copy(0, LINE)) continue;
    ends[0].fd = -1;
    if (shutdown(LINE, SHUT_WR) < 0) close(LINE);
  }
}

int main(int argc, char **argv) {
  const char *how = argc > 1 ? argv[1] : "";
  signal(SIGPIPE, SIG_IGN);
  if (strcmp(how, "idle") == 0) {
    for (;;) pause();
  } else if (strcmp(how, "connect") == 0 && argc > 2) {
    connect_to(argv[2]);
    start_beside(argv + 3);
  } else if (strcmp(how, "socket") == 0 && argc > 2) {
    over_socket(argv + 2);
  } else if (strcmp(how, "pipes") == 0 && argc > 2) {
    over_pipes(argv + 2);
  } else if (strcmp(how, "kept") != 0) {
    return 64;
  }
  converse();
  return 0;
}
