/* The loops around system calls, one of each. */
#ifndef IO_H
#define IO_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

/* Writes all SIZE bytes, over short writes and EINTR. Returns 0, or -1 with the errno of write(2);
 * the first *RET_WRITTEN bytes, if it is not NULL, have then been written. */
int write_all(int fd, const void *data, size_t size, size_t *ret_written);

/* Reads up to SIZE bytes at OFFSET; less than SIZE only at the end of the file. Returns the number
 * of bytes, or -1 with the errno of pread(2). */
ssize_t read_at(int fd, void *data, size_t size, off_t offset);

/* Writes all SIZE bytes at OFFSET, over short writes and EINTR; FD is not open for appending.
 * Returns 0, or -1 with the errno of pwrite(2). */
int write_at(int fd, const void *data, size_t size, off_t offset);

/* send(2) over EINTR of what goes without waiting, and without SIGPIPE. Returns the number of
 * bytes, 0 if there is no room for any now, or -1 with errno. */
ssize_t send_some(int socket, const void *data, size_t size);

/* recv(2) over EINTR of what is there. Returns the number of bytes, 0 once the peer has sent all,
 * or -1 with errno; EAGAIN: nothing is there yet. */
ssize_t receive_some(int socket, void *data, size_t size);

/* Are these LENGTH > 0 bytes all NUL, as a hole in a file reads? */
bool is_all_nul(const char *data, size_t length);

/* Do both describe the same file? */
struct stat;
bool is_same_file(const struct stat *one, const struct stat *other);

/* Is FD the file of that NAME in DIRECTORY? Returns 0, or -1 with errno; ESTALE: it is another. */
int check_is_named(int directory, const char *name, int fd);

/* close(2) on a way out that has its reason in errno already. */
void close_keeping_errno(int fd);

/* Does poll(2) report one of EVENTS now? */
bool is_ready(int fd, short events);

/* fdatasync(2) and fsync(2) over EINTR. Any other failure must never be retried: the kernel may
 * have marked the pages clean, and a second call would claim a success that is none. */
int sync_data(int fd);
int sync_all(int fd);

#endif
