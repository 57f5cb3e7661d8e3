/* masquerade PROGRAM PATH: lets /proc/self/exe name another program (PR_SET_MM_MAP), which anyone may do in a user
 * namespace of their own, then connects and asks. PROGRAM never runs. */
#include "peer.h"
#include <linux/prctl.h>
#include <sched.h>
#include <stdint.h>
#include <sys/mman.h>

/* The kernel lets go of an executable once nothing of it is mapped: each mapping is replaced by a copy. */
static void replace(uintptr_t start, size_t length, int protection) {
  void *copy = mmap(NULL, length, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (copy == MAP_FAILED) fail("mmap");
  memcpy(copy, (void *)start, length);
  mprotect(copy, length, protection);
  if (mremap(copy, length, length, MREMAP_MAYMOVE | MREMAP_FIXED, (void *)start) == MAP_FAILED) fail("mremap");
}

static void replace_own_mappings(void) {
  char own[4096] = {0}, line[8192];
  uintptr_t starts[32], ends[32];
  int protections[32], count = 0;
  if (readlink("/proc/self/exe", own, sizeof own - 1) < 0) fail("readlink");
  FILE *maps = fopen("/proc/self/maps", "r");
  while (maps != NULL && fgets(line, sizeof line, maps) != NULL && count < 32) {
    char r, w, x;
    line[strcspn(line, "\n")] = 0;
    if (strstr(line, own) == NULL) continue;
    if (sscanf(line, "%lx-%lx %c%c%c", &starts[count], &ends[count], &r, &w, &x) != 5) continue;
    protections[count++] =
      (r == 'r' ? PROT_READ : 0) | (w == 'w' ? PROT_WRITE : 0) | (x == 'x' ? PROT_EXEC : 0);
  }
  if (maps != NULL) fclose(maps);
  for (int i = 0; i < count; i++) replace(starts[i], ends[i] - starts[i], protections[i]);
}

/* The rest of the map stays as it is: what /proc/self/stat says of it (proc(5), fields 26 to 51). */
static void read_map(struct prctl_mm_map *map) {
  char text[4096] = {0};
  unsigned long long field[53] = {0};
  int fd = open("/proc/self/stat", O_RDONLY), number = 3;
  if (fd < 0 || read(fd, text, sizeof text - 1) < 0) fail("stat");
  close(fd);
  for (char *at = strtok(strrchr(text, ')') + 2, " "); at != NULL && number < 53; at = strtok(NULL, " "))
    field[number++] = strtoull(at, NULL, 10);
  map->start_code = field[26], map->end_code = field[27], map->start_stack = field[28];
  map->start_data = field[45], map->end_data = field[46], map->start_brk = field[47];
  map->arg_start = field[48], map->arg_end = field[49];
  map->env_start = field[50], map->env_end = field[51];
  map->brk = (unsigned long long)(uintptr_t)sbrk(0);
}

static void write_text(const char *path, const char *text) {
  int fd = open(path, O_WRONLY);
  if (fd < 0 || write(fd, text, strlen(text)) < 0) fail(path);
  close(fd);
}

static void enter_own_user_namespace(void) {
  char uids[64], gids[64];
  snprintf(uids, sizeof uids, "0 %d 1", (int)geteuid());
  snprintf(gids, sizeof gids, "0 %d 1", (int)getegid());
  if (unshare(CLONE_NEWUSER) < 0) fail("unshare");
  write_text("/proc/self/setgroups", "deny");
  write_text("/proc/self/uid_map", uids);
  write_text("/proc/self/gid_map", gids);
}

int main(int argc, char **argv) {
  if (argc < 3) return 64;
  enter_own_user_namespace();
  struct prctl_mm_map map = {.exe_fd = (uint32_t)open(argv[1], O_RDONLY)};
  read_map(&map);
  replace_own_mappings();
  if (prctl(PR_SET_MM, PR_SET_MM_MAP, &map, sizeof map, 0) < 0) fail("PR_SET_MM_MAP");
  connect_to(argv[2]);
  say_line(INITIALIZE CALL);
  hear_all();
  for (;;) pause();
}
