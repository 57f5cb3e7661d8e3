/* launders-stdin early|late|GO PROGRAM ARG -- COMMAND…: makes a socketpair, becomes PROGRAM ARG, and lets a child that it
 * made before start COMMAND behind the socketpair: what COMMAND finds at its stdin was made by PROGRAM's process, its
 * parent. Another child speaks: at once, once it was answered, or once the file GO is there. */
#include "peer.h"

static void speak(const char *when) {
  int early = strcmp(when, "early") == 0, late = strcmp(when, "late") == 0;
  if (early) say_line(INITIALIZE CALL);
  if (late) {
    say_line(INITIALIZE);
    if (hear_line()) say_line(CALL);
  }
  if (!early && !late) {
    wait_for(when);
    say_line(CALL);
  }
  hear_all();
  exit(0);
}

static void start(int end, char **command) {
  wait_for_exec(getppid());
  dup2(end, 0);
  dup2(end, 1);
  for (int fd = 3; fd < 64; fd++) close(fd);
  become(command);
}

int main(int argc, char **argv) {
  int pair[2];
  if (argc < 6 || socketpair(AF_UNIX, SOCK_STREAM, 0, pair) < 0) return 64;
  keep(pair[0]);
  if (fork_helper() == 0) start(pair[1], argv + 5);
  if (fork_helper() == 0) {
    close(pair[1]);
    speak(argv[1]);
  }
  close(pair[1]);
  char *program[] = {argv[2], argv[3], NULL};
  become(program);
}
