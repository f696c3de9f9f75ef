/* Wrappers around system calls. They retry after EINTR and after a short read or write. */
#ifndef IO_H
#define IO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* Writes all SIZE bytes. Returns 0, or -1 with the errno of write(2). *RET_WRITTEN is the number of
 * bytes written, also on failure; RET_WRITTEN may be NULL. */
int write_all(int fd, const void *data, size_t size, size_t *ret_written);

/* Reads up to SIZE bytes at OFFSET; fewer only at the end of the file. Returns the number of bytes,
 * or -1 with the errno of pread(2). */
ssize_t read_at(int fd, void *data, size_t size, off_t offset);

/* Writes all SIZE bytes at OFFSET. FD must not be open with O_APPEND, since Linux then ignores
 * OFFSET (pwrite(2), BUGS). Returns 0, or -1 with the errno of pwrite(2). */
int write_at(int fd, const void *data, size_t size, off_t offset);

/* Sends without blocking and without SIGPIPE. Returns the number of bytes sent, 0 if the send
 * buffer is full, or -1 with the errno of send(2). */
ssize_t send_some(int socket, const void *data, size_t size);

/* Sends SIZE > 0 bytes at OFFSET of FD to SOCKET, which is non-blocking: sendfile(2), without a
 * copy. SIGPIPE must be ignored. Returns the number of bytes sent, 0 if the send buffer is full, or
 * -1 with errno; EIO: the file ends before. */
ssize_t send_file(int socket, int fd, off_t offset, size_t size);

/* Receives without blocking. Returns the number of bytes, 0 if the peer has closed its side, or -1
 * with the errno of recv(2); EAGAIN: nothing has arrived. */
ssize_t receive_some(int socket, void *data, size_t size);

/* Are these LENGTH > 0 bytes all NUL, like a hole in a file? */
bool is_all_nul(const char *data, size_t length);

/* Do both describe the same file, by device and inode number? Some volumes without a block device,
 * whose major number is then 0, give a file another number now and then (FUSE, CIFS with
 * noserverino). There a file with another number is the same if its size, links and times are: a
 * copy has a later ctime, which cannot be set. If two files are taken for one after all, the next
 * write to one of them shows it. */
struct stat;
bool is_same_file(const struct stat *one, const struct stat *other);

/* Is FD the file called NAME in DIRECTORY? Returns 0, or -1 with errno; ESTALE: another file has
 * that name. */
int check_is_named(int directory, const char *name, int fd);

/* Is FD SIZE bytes long? Returns 0, or -1 with errno; ESTALE: it is not. */
int check_size(int fd, uint64_t size);

/* Open NAME in DIRECTORY; create_new() only if it is absent (EEXIST). They never follow a symbolic
 * link or wait for a FIFO. Return a descriptor, or -1 with the errno of openat(2). */
int open_existing(int directory, const char *name, int flags);
int open_or_create(int directory, const char *name, int flags);
int create_new(int directory, const char *name, int flags);

/* close(2) in an error path: keeps errno. */
void close_keeping_errno(int fd);

/* Does poll(2) report one of EVENTS for FD now? */
bool is_ready(int fd, short events);

/* fdatasync(2) and fsync(2). They are retried only after EINTR. Never retry another failure: the
 * kernel may have marked the pages clean, and the second call would then report a success without
 * writing them. errno EOPNOTSUPP: this file system lacks fsync(2). */
int sync_data(int fd);
int sync_all(int fd);

/* Does this errno of a system call mean that the file system lacks the call? */
bool is_unsupported(int error);

/* Does this errno mean that the disk or a quota is full? A share or a thin pool may report it only
 * at fsync(2). */
bool is_no_space(int error);

/* fsync(2) of a directory, which makes the names in it durable. Returns 0; 1 if this file system
 * lacks it; or -1 with errno. 9p, vboxsf and some CIFS lack it. */
int sync_directory(int directory);

#endif
