/* Starts threads. */
#ifndef THREAD_H
#define THREAD_H

#include <pthread.h>

/* Starts RUN(CONTEXT) in a thread with a stack of 256 KiB: musl's default of 128 KiB is small for
 * blocks of a file on the stack. Returns 0, or -1 with errno. */
int thread_start(pthread_t *ret_thread, void *(*run)(void *), void *context);

#endif
