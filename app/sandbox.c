#include "sandbox.h"

#include "base/io.h"
#include "die.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

/* musl has no linux/audit.h, linux/filter.h, linux/seccomp.h and linux/landlock.h. */

/* AUDIT_ARCH_X86_64 and AUDIT_ARCH_AARCH64. x32 and i386 have other numbers for the same calls. 0:
 * the list does not fit, since glibc, used for sanitizers, makes other calls than musl. Then the
 * sandbox is off unless it is demanded. */
#if defined __GLIBC__
enum { ARCHITECTURE = 0 };
#elif defined __x86_64__
#define ARCHITECTURE 0xc000003eU
#elif defined __aarch64__
#define ARCHITECTURE 0xc00000b7U
#endif

/* The system calls of the program once its sockets are open. Kernels before 5.11 compare them in
 * this order, so those of each visit come first. An argument, the first being 0, may be `forbidden`
 * to have some of the lower 16 bits. */
static const struct {
    unsigned number : 10, argument : 3, forbidden : 16;
} allowed[] = {
    /* a visit */
    {SYS_recvfrom, 0, 0},
    {SYS_sendto, 0, 0},
    {SYS_epoll_pwait, 0, 0},
    {SYS_write, 0, 0}, /* also log lines, and eventfd(2) */
    {SYS_fstat, 0, 0},
    {SYS_lseek, 0, 0},
    {SYS_fdatasync, 0, 0},
    {SYS_futex, 0, 0}, /* locks, and pthread_join(3) */
    {SYS_pread64, 0, 0},
    {SYS_clock_gettime, 0, 0}, /* where the vDSO cannot read the clock */
    /* a connection */
    {SYS_accept4, 0, 0},
    {SYS_accept, 0, 0}, /* musl tries it after EINVAL, as from a socket that was shut */
    {SYS_epoll_ctl, 0, 0},
    {SYS_close, 0, 0},
    {SYS_read, 0, 0}, /* eventfd(2), /proc/self/stat */
    {SYS_setsockopt, 0, 0},
    {SYS_getsockname, 0, 0}, /* the addresses in the start-up line */
    {SYS_shutdown, 0, 0},
    {SYS_sendfile, 0, 0},
    {SYS_ioctl, 1, 0xffff & ~TIOCOUTQ}, /* unsent bytes; never TIOCSTI, which types on a terminal */
    /* the file: open.c, recovery.c, durable.c, and /proc/self for the metrics */
    {SYS_openat, 0, 0},
    {SYS_newfstatat, 0, 0},
    {SYS_statx, 0, 0},
    {SYS_fcntl, 0, 0}, /* FD_CLOEXEC, which musl sets for kernels that ignore O_CLOEXEC */
    {SYS_flock, 0, 0},
    {SYS_fsync, 0, 0},
    {SYS_syncfs, 0, 0},
    {SYS_pwrite64, 0, 0},
    {SYS_ftruncate, 0, 0},
    {SYS_fallocate, 0, 0},
    {SYS_fstatfs, 0, 0},
    {SYS_fadvise64, 0, 0},
    {SYS_fchmod, 0, 0},
    {SYS_fchown, 0, 0},
    {SYS_unlinkat, 0, 0},
    {SYS_renameat, 0, 0},
    {SYS_getdents64, 0, 0},
    {SYS_geteuid, 0, 0}, /* with the next, for a log line */
    {SYS_getegid, 0, 0},
    {SYS_prlimit64, 2, 0xffff}, /* reads a limit for the metrics; it may not set one */
#ifdef SYS_open
    {SYS_open, 0, 0},
    {SYS_stat, 0, 0},
    {SYS_mkdir, 0, 0},
    {SYS_poll, 0, 0},
    {SYS_chmod, 0, 0}, /* with the next, what musl tries after EBADF from fchmod(2), fchown(2) */
    {SYS_chown, 0, 0},
#else
    {SYS_fchmodat, 0, 0},
    {SYS_fchownat, 0, 0},
    {SYS_mkdirat, 0, 0},
    {SYS_ppoll, 0, 0},
#endif
    /* memory: no new code */
    {SYS_mmap, 2, PROT_EXEC},
    {SYS_mprotect, 2, PROT_EXEC},
    {SYS_munmap, 0, 0},
    {SYS_mremap, 0, 0},
    {SYS_madvise, 0, 0},
    {SYS_brk, 0, 0},
    /* threads and signals, the queue of log lines, abort(3) */
    {SYS_pipe2, 0, 0},
    {SYS_clone, 0, 0}, /* a child process would be restricted in the same way */
    {SYS_rt_sigtimedwait, 0, 0},
    {SYS_rt_sigprocmask, 0, 0},
    {SYS_rt_sigaction, 0, 0},
    {SYS_rt_sigreturn, 0, 0},
    {SYS_restart_syscall, 0, 0}, /* after SIGSTOP and SIGCONT */
    {SYS_tkill, 0, 0},
    {SYS_exit, 0, 0},
    {SYS_exit_group, 0, 0},
};

/* An instruction of the filter, as in bpf(4). A jump skips so many instructions. */
struct instruction {
    uint16_t code;
    uint8_t if_true, if_false;
    uint32_t operand;
};
enum { LOAD = 0x20, IF_EQUAL = 0x15, IF_ANY_BIT = 0x45, RETURN = 0x06 };

#define ALLOW 0x7fff0000U
#define TRAP 0x00030000U /* SIGSYS */
#define NO_CALL UINT32_MAX

/* Offsets in struct seccomp_data; of an argument, its lower half on these architectures. */
enum { NUMBER = 0, INTERFACE = 4, ARGUMENTS = 16 };

enum {
    ROWS = sizeof allowed / sizeof *allowed,
    HEAD = 6,
    ROW_MAX = 5,
    FILTER_MAX = HEAD + ROWS * ROW_MAX + 1,
};

static unsigned make_filter(struct instruction filter[FILTER_MAX])
{
    static const struct instruction head[HEAD] = {
        {LOAD, 0, 0, INTERFACE},
        {IF_EQUAL, 1, 0, ARCHITECTURE},
        {RETURN, 0, 0, TRAP},
        {LOAD, 0, 0, NUMBER},
        /* A tracer puts it in place of a call that it suppresses, as strace(1) does to inject an
         * error. */
        {IF_EQUAL, 0, 1, NO_CALL},
        {RETURN, 0, 0, ALLOW},
    };
    struct instruction *next = filter;
    memcpy(next, head, sizeof head);
    next += HEAD;
    for (unsigned i = 0; i < ROWS; i++) {
        bool always = allowed[i].forbidden == 0;
        *next++ = (struct instruction){IF_EQUAL, 0, always ? 1 : 4, allowed[i].number};
        if (!always) {
            *next++ = (struct instruction){LOAD, 0, 0, ARGUMENTS + 8U * allowed[i].argument};
            *next++ = (struct instruction){IF_ANY_BIT, 0, 1, allowed[i].forbidden};
            *next++ = head[2];
        }
        *next++ = head[5];
    }
    *next++ = head[2];
    return (unsigned)(next - filter);
}

/* The handler of SIGSYS. It may call what is not async-signal-safe, since this signal interrupts
 * only system calls that are not allowed. */
static void end_at_call(int number, siginfo_t *info, void *context)
{
    (void)number, (void)context;
    die(EXIT_FORBIDDEN_CALL,
        "system call %d of architecture %x is not allowed; --sandbox=off would allow it",
        info->si_syscall, info->si_arch);
}

/* Returns 0, or -1 with errno. */
static int restrict_calls(void)
{
    enum { SET_MODE_FILTER = 1, ALL_THREADS = 1, SPEC_ALLOW = 4 };
    struct instruction filter[FILTER_MAX];
    const struct {
        unsigned short length;
        struct instruction *filter;
    } program = {(unsigned short)make_filter(filter), filter};
    struct sigaction action = {.sa_sigaction = end_at_call, .sa_flags = SA_SIGINFO};
    errno = ENOSYS;
    if (ARCHITECTURE == 0 || sigaction(SIGSYS, &action, NULL) != 0)
        return -1;
    /* SPEC_ALLOW: else kernels before 5.16 slow the whole process down, against attacks by code
     * that a program runs for others (Spectre). This one runs its own alone. */
    return (int)syscall(SYS_seccomp, SET_MODE_FILTER, ALL_THREADS | SPEC_ALLOW, &program);
}

/* Rights to files: the bits of LANDLOCK_ACCESS_FS_... in linux/landlock.h. */
enum {
    WRITE_FILE = 1 << 1,
    READ_FILE = 1 << 2,
    READ_DIR = 1 << 3,
    REMOVE_FILE = 1 << 5,
    MAKE_REG = 1 << 8,
    TRUNCATE = 1 << 14, /* since version 3 */
};

/* All rights that a VERSION of landlock(7) knows; the kernel refuses others. */
static uint64_t rights_of(int version)
{
    int count = version < 3 ? 12 + version : version < 5 ? 15 : 16;
    return (1U << count) - 1;
}

/* The descriptor stays open: a rule is about the inode, and a file system without a cache, as
 * proc(5) is, would make another inode for the next one that opens PATH. */
static int open_path(int directory, const char *path)
{
    return openat(directory, path, O_PATH | O_DIRECTORY | O_CLOEXEC);
}

/* Allows RIGHTS to DIRECTORY, and to what is in it. Returns 0, or -1 with errno. */
static int allow_files(int ruleset, int directory, uint64_t rights)
{
    enum { PATH_BENEATH = 1 };
    struct {
        uint64_t rights;
        int fd;
    } __attribute__((packed)) rule = {rights, directory};
    return (int)syscall(SYS_landlock_add_rule, ruleset, PATH_BENEATH, &rule, 0);
}

static int data_directory = -1;

/* Returns 0; -1 with errno; or 1 with errno if there is no directory at PATH. */
static int restrict_files(const char *path)
{
    enum { GET_VERSION = 1, BIND_AND_CONNECT = 3, ABSTRACT_SOCKETS_AND_SIGNALS = 3 };
    int version = (int)syscall(SYS_landlock_create_ruleset, NULL, 0, GET_VERSION);
    if (version < 1)
        return -1;
    uint64_t all = rights_of(version);
    const struct {
        uint64_t files, tcp, outside;
    } handled = {all, version < 4 ? 0 : BIND_AND_CONNECT,
                 version < 6 ? 0 : ABSTRACT_SOCKETS_AND_SIGNALS};
    int ruleset = (int)syscall(SYS_landlock_create_ruleset, &handled, sizeof handled, 0);
    if (ruleset < 0)
        return -1;
    (void)mkdir(path, 0777); /* as visit_log_open() would, so that a rule can name it */
    data_directory = open_path(AT_FDCWD, path);
    if (data_directory < 0)
        return 1;
    if (allow_files(
            ruleset, data_directory,
            all & (WRITE_FILE | READ_FILE | READ_DIR | REMOVE_FILE | MAKE_REG | TRUNCATE)) != 0)
        return -1;
    /* The names alone: to sync a new visits.txt, its parent's parent is opened. */
    (void)allow_files(ruleset, open_path(data_directory, ".."), READ_DIR);
    (void)allow_files(ruleset, open_path(AT_FDCWD, "/proc/self"), READ_FILE | READ_DIR);
    if (syscall(SYS_landlock_restrict_self, ruleset, 0) != 0)
        return -1;
    return close(ruleset);
}

/* RESULT is that of the restriction by NAME. Returns whether it is in force. */
static bool is_in_force(enum sandbox wanted, const char *name, int result)
{
    if (wanted == SANDBOX_ON && result != 0)
        die(EXIT_FAILED, "no %s here: %s; --sandbox=auto would serve without it", name,
            strerror(errno));
    if (result < 0)
        warn("no %s here: %s; serving without it", name, strerror(errno));
    return result == 0;
}

enum sandbox sandbox_enter(enum sandbox wanted, const char *directory)
{
    if (wanted == SANDBOX_OFF || (ARCHITECTURE == 0 && wanted == SANDBOX_AUTO))
        return SANDBOX_OFF;
    /* seccomp(2) and landlock(7) demand it. */
    (void)syscall(SYS_prctl, PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
    int result = restrict_files(directory);
    /* Otherwise who opens the log reports it. */
    if (wanted == SANDBOX_ON && result > 0)
        die(EXIT_FAILED, "cannot open %s: %s; name another --data-dir", directory, strerror(errno));
    bool files = is_in_force(wanted, "Landlock", result);
    bool calls = is_in_force(wanted, "seccomp", restrict_calls());
    return files && calls ? SANDBOX_ON : files || calls ? SANDBOX_PARTIAL : SANDBOX_OFF;
}

bool sandbox_excludes(const char *path)
{
    struct stat now, then;
    return data_directory >= 0 && (fstat(data_directory, &then) != 0 || stat(path, &now) != 0 ||
                                   !is_same_file(&now, &then));
}
