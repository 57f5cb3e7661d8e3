/* takes-pid PID PROGRAM…: starts a program under the number of a process that has ended. Waiting until the numbers have
 * gone round takes a while; root may choose one at once (clone3 with set_tid). */
#include "peer.h"
#include <linux/sched.h>
#include <sys/syscall.h>

int main(int argc, char **argv) {
  if (argc < 3) return 64;
  pid_t wanted = atoi(argv[1]);
  struct clone_args how = {
    .exit_signal = SIGCHLD, .set_tid = (unsigned long long)(size_t)&wanted, .set_tid_size = 1};
  long pid;
  while ((pid = syscall(SYS_clone3, &how, sizeof how)) < 0 && errno == EEXIST) usleep(1000);
  if (pid < 0) fail("clone3");
  if (pid == 0) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    become(argv + 2);
  }
  waitpid((pid_t)pid, NULL, 0);
  return 0;
}
