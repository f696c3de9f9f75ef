/* A file system in user space whose calls fail on order, as those of a network share do.
 *
 *     faulty BELOW ORDERS MOUNT-POINT
 *
 * It shows the directory BELOW at MOUNT-POINT, in the foreground. While the directory ORDERS has a
 * file named after a call, such as `fsync`, that call fails with the errno that is its content; if
 * `old` follows, only on descriptors that were opened before that file was written.
 * When the file ORDERS/dead becomes longer, all descriptors that are open by then are dead: their
 * calls fail with ESTALE, as after an NFS server has lost a file.
 * statfs(2) takes as many milliseconds as ORDERS/late says, and then makes ORDERS/asked a byte
 * longer. */
#define _GNU_SOURCE
#define FUSE_USE_VERSION 31

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <fuse.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <time.h>
#include <unistd.h>

static int below, orders;

struct handle {
    int fd;
    off_t born;             /* the length of ORDERS/dead when it was opened */
    struct timespec opened; /* by CLOCK_REALTIME_COARSE, as the times of files are */
};

static struct handle *handle_of(const struct fuse_file_info *info)
{
    return (struct handle *)(uintptr_t)info->fh;
}

static off_t deaths(void)
{
    struct stat status;
    return fstatat(orders, "dead", &status, 0) == 0 ? status.st_size : 0;
}

static bool is_before(const struct timespec *one, const struct timespec *other)
{
    return one->tv_sec < other->tv_sec ||
           (one->tv_sec == other->tv_sec && one->tv_nsec < other->tv_nsec);
}

/* Returns the negative number that ORDERS has for CALL, an errno, or 0. INFO may be NULL. */
static int ordered(const char *call, const struct fuse_file_info *info)
{
    char text[16] = "";
    struct stat order = {0};
    const struct handle *handle = info && info->fh ? handle_of(info) : NULL;
    int fd = openat(orders, call, O_RDONLY);
    if (fd >= 0 && (read(fd, text, sizeof text - 1) < 0 || fstat(fd, &order) != 0))
        abort();
    if (fd >= 0)
        (void)close(fd);
    bool spared = strstr(text, "old") && handle && !is_before(&handle->opened, &order.st_mtim);
    if (atoi(text) > 0 && !spared)
        return -atoi(text);
    return handle && handle->born < deaths() ? -ESTALE : 0;
}

static const char *relative(const char *path)
{
    return path[1] ? path + 1 : ".";
}

/* Fails CALL if that is ordered. */
#define OBEY(call, info)                                                                           \
    do {                                                                                           \
        int error = ordered(call, info);                                                           \
        if (error)                                                                                 \
            return error;                                                                          \
    } while (0)

#define RESULT(call) ((call) < 0 ? -errno : 0)

static void *start(struct fuse_conn_info *connection, struct fuse_config *config)
{
    (void)connection;
    config->use_ino = 1;
    config->hard_remove = 1;
    config->attr_timeout = config->entry_timeout = config->negative_timeout = 0;
    return NULL;
}

static int get_attributes(const char *path, struct stat *status, struct fuse_file_info *info)
{
    OBEY("getattr", info);
    return RESULT(info ? fstat(handle_of(info)->fd, status)
                       : fstatat(below, relative(path), status, AT_SYMLINK_NOFOLLOW));
}

static int keep(int fd, struct fuse_file_info *info)
{
    struct handle *handle = fd < 0 ? NULL : malloc(sizeof *handle);
    if (!handle)
        return -errno;
    *handle = (struct handle){.fd = fd, .born = deaths()};
    (void)clock_gettime(CLOCK_REALTIME_COARSE, &handle->opened);
    info->fh = (uintptr_t)handle;
    return 0;
}

static int open_file(const char *path, struct fuse_file_info *info)
{
    OBEY("open", NULL);
    return keep(openat(below, relative(path), info->flags & ~O_APPEND), info);
}

static int create_file(const char *path, mode_t mode, struct fuse_file_info *info)
{
    OBEY("create", NULL);
    return keep(openat(below, relative(path), (info->flags & ~O_APPEND) | O_CREAT, mode), info);
}

static int release(const char *path, struct fuse_file_info *info)
{
    (void)path;
    (void)close(handle_of(info)->fd);
    free(handle_of(info));
    return 0;
}

static int read_file(const char *path, char *data, size_t size, off_t offset,
                     struct fuse_file_info *info)
{
    (void)path;
    OBEY("read", info);
    ssize_t got = pread(handle_of(info)->fd, data, size, offset);
    return got < 0 ? -errno : (int)got;
}

static int write_file(const char *path, const char *data, size_t size, off_t offset,
                      struct fuse_file_info *info)
{
    (void)path;
    OBEY("write", info);
    ssize_t written = pwrite(handle_of(info)->fd, data, size, offset);
    return written < 0 ? -errno : (int)written;
}

static int truncate_file(const char *path, off_t size, struct fuse_file_info *info)
{
    OBEY("truncate", info);
    if (info)
        return RESULT(ftruncate(handle_of(info)->fd, size));
    int fd = openat(below, relative(path), O_WRONLY), result = RESULT(ftruncate(fd, size));
    (void)close(fd);
    return result;
}

static int sync_file(const char *path, int data_only, struct fuse_file_info *info)
{
    (void)path;
    OBEY("fsync", info);
    return RESULT(data_only ? fdatasync(handle_of(info)->fd) : fsync(handle_of(info)->fd));
}

static int sync_directory(const char *path, int data_only, struct fuse_file_info *info)
{
    (void)path;
    (void)data_only;
    (void)info;
    OBEY("fsyncdir", NULL);
    return 0;
}

static int make_directory(const char *path, mode_t mode)
{
    OBEY("mkdir", NULL);
    return RESULT(mkdirat(below, relative(path), mode));
}

static int remove_file(const char *path)
{
    OBEY("unlink", NULL);
    return RESULT(unlinkat(below, relative(path), 0));
}

static int rename_file(const char *from, const char *to, unsigned flags)
{
    OBEY("rename", NULL);
    return flags ? -EINVAL : RESULT(renameat(below, relative(from), below, relative(to)));
}

static int change_mode(const char *path, mode_t mode, struct fuse_file_info *info)
{
    OBEY("chmod", info);
    return RESULT(fchmodat(below, relative(path), mode, 0));
}

static int space(const char *path, struct statvfs *status)
{
    (void)path;
    OBEY("statfs", NULL);
    int late_ms = -ordered("late", NULL);
    struct timespec late = {.tv_sec = late_ms / 1000, .tv_nsec = late_ms % 1000 * 1000000L};
    (void)nanosleep(&late, NULL);
    int asked = openat(orders, "asked", O_WRONLY | O_CREAT | O_APPEND, 0600);
    if (asked < 0 || write(asked, "x", 1) != 1)
        abort();
    (void)close(asked);
    return RESULT(fstatvfs(below, status));
}

static int list(const char *path, void *buffer, fuse_fill_dir_t fill, off_t offset,
                struct fuse_file_info *info, enum fuse_readdir_flags flags)
{
    (void)offset;
    (void)info;
    (void)flags;
    int fd = openat(below, relative(path), O_RDONLY | O_DIRECTORY);
    DIR *entries = fd < 0 ? NULL : fdopendir(fd);
    if (!entries)
        return -errno;
    for (const struct dirent *entry; (entry = readdir(entries));)
        (void)fill(buffer, entry->d_name, NULL, 0, 0);
    (void)closedir(entries);
    return 0;
}

int main(int argc, char **argv)
{
    static const struct fuse_operations operations = {
        .init = start,
        .getattr = get_attributes,
        .open = open_file,
        .create = create_file,
        .release = release,
        .read = read_file,
        .write = write_file,
        .truncate = truncate_file,
        .fsync = sync_file,
        .fsyncdir = sync_directory,
        .mkdir = make_directory,
        .unlink = remove_file,
        .rename = rename_file,
        .chmod = change_mode,
        .readdir = list,
        .statfs = space,
    };
    if (argc != 4) {
        (void)fputs("usage: faulty BELOW ORDERS MOUNT-POINT\n", stderr);
        return 2;
    }
    below = open(argv[1], O_RDONLY | O_DIRECTORY);
    orders = open(argv[2], O_RDONLY | O_DIRECTORY);
    if (below < 0 || orders < 0) {
        perror("faulty");
        return 1;
    }
    char *arguments[] = {argv[0], "-f", "-s", argv[3]};
    return fuse_main(4, arguments, &operations, NULL);
}
