/* hands-over PATH GO PROGRAM…: connects, passes the connection to a process that never had it (SCM_RIGHTS), and becomes
 * another program, which speaks for itself. The receiver speaks once the file GO is there. */
#include "peer.h"

static void pass(int channel, int fd) {
  char control[CMSG_SPACE(sizeof fd)] = {0};
  struct iovec byte = {"x", 1};
  struct msghdr message = {
    .msg_iov = &byte, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control};
  struct cmsghdr *header = CMSG_FIRSTHDR(&message);
  header->cmsg_level = SOL_SOCKET;
  header->cmsg_type = SCM_RIGHTS;
  header->cmsg_len = CMSG_LEN(sizeof fd);
  memcpy(CMSG_DATA(header), &fd, sizeof fd);
  if (sendmsg(channel, &message, 0) != 1) fail("sendmsg");
}

static void receive(int channel) {
  char control[CMSG_SPACE(sizeof(int))], room;
  struct iovec byte = {&room, 1};
  struct msghdr message = {
    .msg_iov = &byte, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control};
  if (recvmsg(channel, &message, 0) != 1 || CMSG_FIRSTHDR(&message) == NULL) fail("recvmsg");
  int fd;
  memcpy(&fd, CMSG_DATA(CMSG_FIRSTHDR(&message)), sizeof fd);
  keep(fd);
}

int main(int argc, char **argv) {
  int channel[2];
  if (argc < 4 || socketpair(AF_UNIX, SOCK_STREAM, 0, channel) < 0) return 64;
  if (fork_helper() == 0) {
    receive(channel[1]);
    wait_for(argv[2]);
    say_line(CALL);
    hear_all();
    return 0;
  }
  connect_to(argv[1]);
  pass(channel[0], LINE);
  close(channel[0]);
  close(channel[1]);
  become(argv + 3);
}
