/* For LD_PRELOAD: fdatasync(2) takes SLOW_SYNC_US microseconds longer. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <stdlib.h>
#include <time.h>

static int (*next_fdatasync)(int);
static struct timespec delay;

__attribute__((constructor)) static void initialize(void)
{
    long microseconds = atol(getenv("SLOW_SYNC_US"));
    delay = (struct timespec){microseconds / 1000000, microseconds % 1000000 * 1000};
    *(void **)&next_fdatasync = dlsym(RTLD_NEXT, "fdatasync");
}

int fdatasync(int fd)
{
    int result = next_fdatasync(fd), saved_errno = errno;
    (void)nanosleep(&delay, NULL);
    errno = saved_errno;
    return result;
}
