/*
 * A disk that fails on order: loaded before libc (LD_PRELOAD), it stands between a process and its files.
 *
 * DISK_FAULT=CALL:PATH:NTH:EFFECT says which call, on files whose path ends with PATH, from the NTH on that finds the
 * file DISK_FAULT_TRIGGER there:
 *
 *   sync:...:EIO      fsync and fdatasync fail, and have synced nothing
 *   write:...:EIO     write and pwrite fail, and have written nothing
 *   write:...:ENOSPC  likewise
 *   write:...:torn    the first writes half of its bytes, and the disk is full from then on
 *   write:...:short   each writes half of its bytes and says so, which a program has to be able to live with
 *   truncate:...:EIO  ftruncate fails
 *
 * What it did is told on the file DISK_FAULT_REPORT, a line for each call that it failed.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <unistd.h>

static char fault_call[16];
static char fault_path[PATH_MAX];
static char fault_effect[16];
static int fault_nth;
static const char *trigger;
static int report = -1;
static atomic_int calls_seen;

static int (*real_fsync)(int);
static int (*real_fdatasync)(int);
static int (*real_ftruncate64)(int, off64_t);
static ssize_t (*real_write)(int, const void *, size_t);
static ssize_t (*real_pwrite64)(int, const void *, size_t, off64_t);

static void *next(const char *name) { return dlsym(RTLD_NEXT, name); }

/* A call may come before this has run: each wrapper asks again. */
__attribute__((constructor)) static void prepare(void) {
  real_fsync = next("fsync");
  real_fdatasync = next("fdatasync");
  real_ftruncate64 = next("ftruncate64");
  real_write = next("write");
  real_pwrite64 = next("pwrite64");
  const char *fault = getenv("DISK_FAULT");
  const char *path = getenv("DISK_FAULT_REPORT");
  trigger = getenv("DISK_FAULT_TRIGGER");
  if (fault == NULL || trigger == NULL || path == NULL) return;
  if (sscanf(fault, "%15[^:]:%4095[^:]:%d:%15[^:]", fault_call, fault_path, &fault_nth, fault_effect) != 4) {
    fault_call[0] = '\0';
    return;
  }
  report = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
}

static int is_about(int fd) {
  char link[64], path[PATH_MAX];
  snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
  ssize_t length = readlink(link, path, sizeof path - 1);
  size_t wanted = strlen(fault_path);
  if (length < 0 || (size_t)length < wanted) return 0;
  path[length] = '\0';
  return strcmp(path + length - wanted, fault_path) == 0;
}

/* How many such calls there were, if this one is to fail; else 0. */
static int due(const char *call, int fd) {
  int saved = errno;
  int seen = 0;
  if (report >= 0 && strcmp(call, fault_call) == 0 && access(trigger, F_OK) == 0 && is_about(fd)) {
    seen = atomic_fetch_add(&calls_seen, 1) + 1;
    if (seen < fault_nth) seen = 0;
    else dprintf(report, "%s %d %s\n", call, seen, fault_effect);
  }
  errno = saved;
  return seen;
}

static int fails(const char *call, int fd) {
  if (due(call, fd) == 0) return 0;
  errno = strcmp(fault_effect, "ENOSPC") == 0 ? ENOSPC : EIO;
  return 1;
}

/* The bytes that may be written, or -1 with errno. */
static ssize_t allowed(int fd, size_t bytes) {
  int seen = due("write", fd);
  if (seen == 0) return (ssize_t)bytes;
  int is_first = seen == fault_nth;
  if (strcmp(fault_effect, "short") == 0 || (strcmp(fault_effect, "torn") == 0 && is_first)) {
    return bytes > 1 ? (ssize_t)(bytes / 2) : (ssize_t)bytes;
  }
  errno = strcmp(fault_effect, "EIO") == 0 ? EIO : ENOSPC;
  return -1;
}

int fsync(int fd) {
  if (real_fsync == NULL) prepare();
  return fails("sync", fd) ? -1 : real_fsync(fd);
}

int fdatasync(int fd) {
  if (real_fdatasync == NULL) prepare();
  return fails("sync", fd) ? -1 : real_fdatasync(fd);
}

int ftruncate64(int fd, off64_t length) {
  if (real_ftruncate64 == NULL) prepare();
  return fails("truncate", fd) ? -1 : real_ftruncate64(fd, length);
}

ssize_t write(int fd, const void *bytes, size_t count) {
  if (real_write == NULL) prepare();
  ssize_t room = allowed(fd, count);
  return room < 0 ? -1 : real_write(fd, bytes, (size_t)room);
}

ssize_t pwrite64(int fd, const void *bytes, size_t count, off64_t offset) {
  if (real_pwrite64 == NULL) prepare();
  ssize_t room = allowed(fd, count);
  return room < 0 ? -1 : real_pwrite64(fd, bytes, (size_t)room, offset);
}
