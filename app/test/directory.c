#include "directory.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static void need(int succeeded, const char *what)
{
    if (succeeded)
        return;
    printf("Bail out! %s: %s\n", what, strerror(errno));
    exit(1);
}

char *directory_make(void)
{
    const char *base = getenv("TMPDIR");
    char *path;
    need(asprintf(&path, "%s/web-app-unit.XXXXXX", base ? base : "/tmp") > 0, "asprintf");
    need(mkdtemp(path) != NULL, path);
    return path;
}

const char *directory_path(const char *directory, const char *name)
{
    static char path[512];
    (void)snprintf(path, sizeof path, "%s/%s", directory, name);
    return path;
}

void directory_remove(char *directory)
{
    DIR *entries = opendir(directory);
    need(entries != NULL, directory);
    for (const struct dirent *entry; (entry = readdir(entries));)
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
            need(remove(directory_path(directory, entry->d_name)) == 0, entry->d_name);
    (void)closedir(entries);
    need(rmdir(directory) == 0, directory);
    free(directory);
}

void directory_write(const char *directory, const char *name, const void *data, size_t length)
{
    int fd = open(directory_path(directory, name), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    need(fd >= 0, name);
    need(length == 0 || write(fd, data, length) == (ssize_t)length, "write");
    (void)close(fd);
}

char *directory_read(const char *directory, const char *name, size_t *ret_length)
{
    struct stat status;
    int fd = open(directory_path(directory, name), O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return NULL;
    need(fstat(fd, &status) == 0, name);
    size_t size = (size_t)status.st_size;
    char *data = malloc(size + 1);
    need(data != NULL, "malloc");
    need(size == 0 || read(fd, data, size) == (ssize_t)size, "read");
    data[size] = '\0';
    (void)close(fd);
    *ret_length = size;
    return data;
}

const char *directory_find(const char *directory, const char *prefix)
{
    static char name[256];
    bool found = false;
    DIR *entries = opendir(directory);
    need(entries != NULL, directory);
    for (const struct dirent *entry; !found && (entry = readdir(entries));) {
        found = strncmp(entry->d_name, prefix, strlen(prefix)) == 0;
        if (found)
            (void)snprintf(name, sizeof name, "%s", entry->d_name);
    }
    (void)closedir(entries);
    return found ? name : NULL;
}
