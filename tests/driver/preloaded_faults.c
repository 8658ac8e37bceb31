/* What a machine may do to a program, for LD_PRELOAD: while the file $FAULTS exists, its lines are in force.

     realtime SECONDS    the clock that people set has jumped by so much (boottime, monotonic: these clocks)
     fsync ERRNO         what is written does not reach the disk, as a file server or a quota tells then
     trial SECONDS       what is written to try the run folder reaches the disk that late */

#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

static long value_of(const char *wanted)
{
  const char *path = getenv("FAULTS");
  FILE *file = path ? fopen(path, "r") : NULL;
  char name[32];
  long value, found = 0;
  if (!file) return 0;
  while (fscanf(file, "%31s %ld", name, &value) == 2)
    if (!strcmp(name, wanted)) found = value;
  fclose(file);
  return found;
}

int clock_gettime(clockid_t clock, struct timespec *now)
{
  static int (*real)(clockid_t, struct timespec *);
  if (!real) real = (int (*)(clockid_t, struct timespec *)) dlsym(RTLD_NEXT, "clock_gettime");
  const int failed = real(clock, now);
  if (clock == CLOCK_REALTIME) now->tv_sec += value_of("realtime");
  if (clock == CLOCK_BOOTTIME) now->tv_sec += value_of("boottime");
  if (clock == CLOCK_MONOTONIC) now->tv_sec += value_of("monotonic");
  return failed;
}

int gettimeofday(struct timeval *now, void *zone)
{
  struct timespec precise;
  (void) zone;
  const int failed = clock_gettime(CLOCK_REALTIME, &precise);
  now->tv_sec = precise.tv_sec;
  now->tv_usec = precise.tv_nsec / 1000;
  return failed;
}

time_t time(time_t *now)
{
  struct timespec precise;
  clock_gettime(CLOCK_REALTIME, &precise);
  if (now) *now = precise.tv_sec;
  return precise.tv_sec;
}

static int is_trial(int file)
{
  char link[64], name[4096];
  snprintf(link, sizeof link, "/proc/self/fd/%d", file);
  const ssize_t length = readlink(link, name, sizeof name - 1);
  if (length < 0) return 0;
  name[length] = 0;
  return strstr(name, "/run.trial") != NULL;
}

int fsync(int file)
{
  static int (*real)(int);
  if (is_trial(file)) sleep((unsigned) value_of("trial"));
  if (!real) real = (int (*)(int)) dlsym(RTLD_NEXT, "fsync");
  if (!(errno = (int) value_of("fsync"))) return real(file);
  return -1;
}
