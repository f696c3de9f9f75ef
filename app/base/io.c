#include "base/io.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

int write_all(int fd, const void *data, size_t size, size_t *ret_written)
{
    size_t done = 0;
    int result = 0;
    while (done < size) {
        ssize_t written = write(fd, (const char *)data + done, size - done);
        if (written < 0 && errno == EINTR)
            continue;
        if (written == 0)
            errno = ENOSPC;
        if (written <= 0) {
            result = -1;
            break;
        }
        /* Write again after a short write: the next write(2) reports the reason. */
        done += (size_t)written;
    }
    if (ret_written)
        *ret_written = done;
    return result;
}

ssize_t read_at(int fd, void *data, size_t size, off_t offset)
{
    char *next = data;
    size_t done = 0;
    while (done < size) {
        ssize_t got = pread(fd, next + done, size - done, offset + (off_t)done);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return -1;
        if (got == 0)
            break;
        done += (size_t)got;
    }
    return (ssize_t)done;
}

int write_at(int fd, const void *data, size_t size, off_t offset)
{
    const char *next = data;
    for (size_t done = 0; done < size;) {
        ssize_t written = pwrite(fd, next + done, size - done, offset + (off_t)done);
        if (written < 0 && errno == EINTR)
            continue;
        if (written == 0)
            errno = ENOSPC;
        if (written <= 0)
            return -1;
        done += (size_t)written;
    }
    return 0;
}

ssize_t send_some(int socket, const void *data, size_t size)
{
    ssize_t sent;
    do
        sent = send(socket, data, size, MSG_NOSIGNAL | MSG_DONTWAIT);
    while (sent < 0 && errno == EINTR);
    return sent < 0 && errno == EAGAIN ? 0 : sent;
}

/* For files that sendfile(2) cannot read. */
static ssize_t send_copy(int socket, int fd, off_t offset, size_t size)
{
    char data[4096];
    ssize_t got = read_at(fd, data, size < sizeof data ? size : sizeof data, offset);
    if (got <= 0) {
        errno = got == 0 ? EIO : errno;
        return -1;
    }
    return send_some(socket, data, (size_t)got);
}

ssize_t send_file(int socket, int fd, off_t offset, size_t size)
{
    off_t at = offset;
    ssize_t sent;
    do
        sent = sendfile(socket, fd, &at, size);
    while (sent < 0 && errno == EINTR);
    if (sent > 0)
        return sent;
    if (sent < 0 && errno == EAGAIN)
        return 0;
    if (sent < 0 && errno == EINVAL)
        return send_copy(socket, fd, offset, size);
    errno = sent == 0 ? EIO : errno;
    return -1;
}

ssize_t receive_some(int socket, void *data, size_t size)
{
    ssize_t got;
    do
        got = recv(socket, data, size, MSG_DONTWAIT);
    while (got < 0 && errno == EINTR);
    return got;
}

bool is_all_nul(const char *data, size_t length)
{
    assert(length > 0);
    return data[0] == 0 && memcmp(data, data + 1, length - 1) == 0;
}

static bool is_same_time(const struct timespec *one, const struct timespec *other)
{
    return one->tv_sec == other->tv_sec && one->tv_nsec == other->tv_nsec;
}

bool is_same_file(const struct stat *one, const struct stat *other)
{
    if (one->st_dev != other->st_dev)
        return false;
    return one->st_ino == other->st_ino ||
           (major(one->st_dev) == 0 && one->st_size == other->st_size &&
            one->st_nlink == other->st_nlink && is_same_time(&one->st_mtim, &other->st_mtim) &&
            is_same_time(&one->st_ctim, &other->st_ctim));
}

int check_is_named(int directory, const char *name, int fd)
{
    struct stat named, opened;
    if (fstatat(directory, name, &named, AT_SYMLINK_NOFOLLOW) != 0 || fstat(fd, &opened) != 0)
        return -1;
    if (is_same_file(&named, &opened))
        return 0;
    errno = ESTALE;
    return -1;
}

int check_size(int fd, uint64_t size)
{
    struct stat status;
    if (fstat(fd, &status) != 0)
        return -1;
    errno = ESTALE;
    return (uint64_t)status.st_size == size ? 0 : -1;
}

int create_new(int directory, const char *name, int flags)
{
    return openat(directory, name, flags | O_CREAT | O_EXCL | O_CLOEXEC, 0664);
}

int open_existing(int directory, const char *name, int flags)
{
    return openat(directory, name, flags | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
}

int open_or_create(int directory, const char *name, int flags)
{
    int fd = open_existing(directory, name, flags);
    if (fd < 0 && errno == ENOENT)
        fd = create_new(directory, name, flags);
    if (fd < 0 && errno == EEXIST) /* another process was faster */
        fd = open_existing(directory, name, flags);
    return fd;
}

void close_keeping_errno(int fd)
{
    int saved_errno = errno;
    (void)close(fd);
    errno = saved_errno;
}

bool is_ready(int fd, short events)
{
    struct pollfd pollfd = {.fd = fd, .events = events};
    return poll(&pollfd, 1, 0) > 0 && (pollfd.revents & events);
}

bool is_unsupported(int error)
{
    return error == EINVAL || error == ENOSYS || error == EOPNOTSUPP;
}

int sync_data(int fd)
{
    int result;
    do
        result = fdatasync(fd);
    while (result != 0 && errno == EINTR);
    return result;
}

int sync_all(int fd)
{
    int result;
    do
        result = fsync(fd);
    while (result != 0 && errno == EINTR);
    if (result != 0 && is_unsupported(errno))
        errno = EOPNOTSUPP;
    return result;
}

bool is_no_space(int error)
{
    return error == ENOSPC || error == EDQUOT;
}

int sync_directory(int directory)
{
    int result = sync_all(directory);
    /* EBADF: it would have to be open for writing, which open(2) refuses. */
    return result != 0 && (errno == EOPNOTSUPP || errno == EBADF) ? 1 : result;
}
