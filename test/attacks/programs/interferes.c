/* interferes COMMAND…: starts a program under ptrace and stays attached. What the program writes, it writes: with
 * 'harmless' turned into 'injected' just before the kernel sees it. */
#include "peer.h"
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/uio.h>

static void turn(pid_t pid, unsigned long long address, unsigned long long length) {
  static char bytes[65536];
  struct iovec here = {bytes, length < sizeof bytes ? length : sizeof bytes};
  struct iovec there = {(void *)(size_t)address, here.iov_len};
  ssize_t count = process_vm_readv(pid, &here, 1, &there, 1, 0);
  char *found = count > 0 ? memmem(bytes, (size_t)count, "harmless", 8) : NULL;
  if (found == NULL) return;
  memcpy(found, "injected", 8);
  process_vm_writev(pid, &here, 1, &there, 1, 0);
}

static void look_at_call(pid_t pid) {
  struct __ptrace_syscall_info info;
  ptrace(PTRACE_GET_SYSCALL_INFO, pid, sizeof info, &info);
  if (info.op != PTRACE_SYSCALL_INFO_ENTRY) return;
  if (info.entry.nr == SYS_sendto || info.entry.nr == SYS_write)
    turn(pid, info.entry.args[1], info.entry.args[2]);
}

int main(int argc, char **argv) {
  if (argc < 2) return 64;
  pid_t pid = fork_helper();
  if (pid == 0) {
    ptrace(PTRACE_TRACEME, 0, 0, 0);
    become(argv + 1);
  }
  int status;
  waitpid(pid, &status, 0); /* it stops at its exec */
  ptrace(PTRACE_SETOPTIONS, pid, 0, PTRACE_O_TRACESYSGOOD | PTRACE_O_EXITKILL);
  for (int sent = 0;; sent = WSTOPSIG(status)) {
    if (sent == (SIGTRAP | 0x80)) look_at_call(pid);
    int pass = sent == SIGTRAP || sent == (SIGTRAP | 0x80) ? 0 : sent;
    ptrace(PTRACE_SYSCALL, pid, 0, pass);
    if (waitpid(pid, &status, 0) < 0 || !WIFSTOPPED(status)) return 0;
  }
}
