/* What the programs of these tests share: a connection, lines, waiting. No behaviour of its own. */
#pragma once
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

/* Where every program keeps its connection, so that one that is executed in its place finds it. */
#define LINE 9

#define INITIALIZE \
  "{\"jsonrpc\":\"2.0\",\"id\":\"evil-0\",\"method\":\"initialize\",\"params\":{\"protocolVersion\":\"2025-11-25\"," \
  "\"capabilities\":{},\"clientInfo\":{\"name\":\"agent\",\"version\":\"1\"}}}\n"
#define CALL \
  "{\"jsonrpc\":\"2.0\",\"id\":\"evil-1\",\"method\":\"tools/call\"," \
  "\"params\":{\"name\":\"echo\",\"arguments\":{\"injected\":1}}}\n"

static inline void fail(const char *what) {
  perror(what);
  exit(70);
}

/* Puts a descriptor where the programs look for it, and lets it survive exec. */
static inline void keep(int fd) {
  if (fd == LINE) return;
  if (dup2(fd, LINE) < 0) fail("dup2");
  close(fd);
}

static inline void connect_to(const char *path) {
  struct sockaddr_un address = {.sun_family = AF_UNIX};
  int fd = socket(AF_UNIX, SOCK_STREAM, 0);
  if (fd < 0 || strlen(path) >= sizeof address.sun_path) fail("socket");
  strcpy(address.sun_path, path);
  if (connect(fd, (struct sockaddr *)&address, sizeof address) < 0) fail("connect");
  keep(fd);
}

/* Writes all of it; one who no longer listens is no failure of an attack. */
static inline void say(int fd, const char *text, size_t length) {
  while (length > 0) {
    ssize_t count = send(fd, text, length, MSG_NOSIGNAL);
    if (count < 0 && errno == ENOTSOCK) count = write(fd, text, length);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return;
    text += count;
    length -= (size_t)count;
  }
}

static inline void say_line(const char *text) {
  say(LINE, text, strlen(text));
}

/* Copies one line that comes to stdout. Returns 0 at the end. Byte by byte: what follows may be another's to read. */
static inline int hear_line(void) {
  char byte;
  while (read(LINE, &byte, 1) == 1) {
    say(1, &byte, 1);
    if (byte == '\n') return 1;
  }
  return 0;
}

static inline void hear_all(void) {
  while (hear_line()) {}
}

/* Until the test makes this file. */
static inline void wait_for(const char *path) {
  while (access(path, F_OK) != 0) usleep(2000);
}

/* Until this process runs another program than we do: our parent has replaced itself. */
static inline void wait_for_exec(pid_t pid) {
  char path[64], own[4096], now[4096];
  ssize_t length = readlink("/proc/self/exe", own, sizeof own);
  snprintf(path, sizeof path, "/proc/%d/exe", (int)pid);
  for (;; usleep(1000)) {
    ssize_t count = readlink(path, now, sizeof now);
    if (count > 0 && (count != length || memcmp(own, now, (size_t)length) != 0)) return;
  }
}

/* A helper ends with the process that made it. */
static inline pid_t fork_helper(void) {
  pid_t pid = fork();
  if (pid < 0) fail("fork");
  if (pid == 0) prctl(PR_SET_PDEATHSIG, SIGKILL);
  return pid;
}

static inline void become(char **command) {
  execvp(command[0], command);
  fail(command[0]);
}
