#include "base/io.h"
#include "tap.h"

#include <sys/stat.h>
#include <sys/sysmacros.h>

static struct stat file(unsigned major)
{
    struct stat status = {.st_ino = 7, .st_size = 33, .st_nlink = 1};
    status.st_dev = makedev(major, 1);
    status.st_mtim = (struct timespec){100, 1};
    status.st_ctim = (struct timespec){200, 2};
    return status;
}

void test_io(void)
{
    struct stat one = file(0), other = file(0), on_disk = file(8), moved = file(8);
    other.st_size = 66;
    ok(is_same_file(&one, &other), "a file with the same number is the same, though it has grown");
    other = file(0);
    other.st_ino++;
    ok(is_same_file(&one, &other), "without a block device the number of the same file may change");
    moved.st_ino++;
    ok(!is_same_file(&on_disk, &moved), "on a block device it may not");
    ok(!is_same_file(&one, &on_disk), "the same number on another device is another file");

    enum { SIZE, LINKS, MTIME, CTIME, CTIME_SECONDS, CHANGES };
    for (int change = 0; change < CHANGES; change++) {
        other = file(0);
        other.st_ino++;
        other.st_size += change == SIZE;
        other.st_nlink -= change == LINKS;
        other.st_mtim.tv_nsec += change == MTIME;
        other.st_ctim.tv_nsec += change == CTIME;
        other.st_ctim.tv_sec += change == CTIME_SECONDS;
        ok(!is_same_file(&one, &other), "with another number and change %d it is another file",
           change);
    }
}
