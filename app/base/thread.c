#include "base/thread.h"

#include <errno.h>

enum { STACK_SIZE = 256 * 1024 };

int thread_start(pthread_t *ret_thread, void *(*run)(void *), void *context)
{
    pthread_attr_t attributes;
    pthread_attr_init(&attributes);
    pthread_attr_setstacksize(&attributes, STACK_SIZE);
    int error = pthread_create(ret_thread, &attributes, run, context);
    pthread_attr_destroy(&attributes);
    errno = error;
    return error ? -1 : 0;
}
