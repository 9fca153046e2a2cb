/* slow_thread: makes some threads of a process slow, as if their core were shared with many others, without a hook in them.
 *
 *     slow_thread PID NAME TIMES SECONDS
 *
 * The threads whose name begins with NAME run for about one TIMES-th of the time and are stopped for the rest; after
 * SECONDS, or on SIGTERM, all run as before. Prints "slowing N threads" once they are slow. Exit code 1: no such thread, or
 * it may not be traced. It ends, too, when the process does.
 *
 * ptrace(2): PTRACE_SEIZE and PTRACE_INTERRUPT stop one thread only, where SIGSTOP would stop the process. The kernel lets
 * everything go on when the tracer ends, however it ends. */
#include <dirent.h>
#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <time.h>

enum { THREADS_MAX = 64, RUN_US = 200, TIMES_MAX = 10000 };

static volatile sig_atomic_t ended;

static void end(int signal) {
    (void)signal;
    ended = 1;
}

static double seconds_now(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static void rest_us(long microseconds) {
    struct timespec time = {.tv_sec = microseconds / 1000000, .tv_nsec = microseconds % 1000000 * 1000};
    nanosleep(&time, NULL); /* a signal ends it early: then we end */
}

static bool has_name(const char *process, const char *thread, const char *name) {
    char path[64], text[32] = "";
    snprintf(path, sizeof path, "/proc/%s/task/%.16s/comm", process, thread);
    FILE *file = fopen(path, "r");
    if (file == NULL) return false;
    bool found = fgets(text, sizeof text, file) != NULL && strncmp(text, name, strlen(name)) == 0;
    fclose(file);
    return found;
}

static int find_threads(const char *process, const char *name, pid_t *threads) {
    char path[64];
    snprintf(path, sizeof path, "/proc/%.16s/task", process);
    DIR *directory = opendir(path);
    if (directory == NULL) return 0;
    int count = 0;
    for (struct dirent *entry; count < THREADS_MAX && (entry = readdir(directory)) != NULL;)
        if (entry->d_name[0] != '.' && has_name(process, entry->d_name, name)) threads[count++] = atoi(entry->d_name);
    closedir(directory);
    return count;
}

/* False: it is gone. A stop for a signal of its own is handed on; the interrupt that we asked for comes after it. */
static bool stop_thread(pid_t thread) {
    if (ptrace(PTRACE_INTERRUPT, thread, NULL, NULL) != 0) return errno != ESRCH;
    for (;;) {
        int status;
        pid_t waited = waitpid(thread, &status, __WALL);
        if (waited < 0 && errno == EINTR) continue;
        if (waited < 0 || WIFEXITED(status) || WIFSIGNALED(status)) return false;
        if (status >> 16 == PTRACE_EVENT_STOP) return true;
        if (ptrace(PTRACE_CONT, thread, NULL, (void *)(intptr_t)WSTOPSIG(status)) != 0) return false;
    }
}

/* One turn: each is stopped, rests, and runs. False when one has ended. */
static bool slow_once(const pid_t *threads, int count, long rest) {
    bool alive = true;
    for (int i = 0; i < count; i++) alive = stop_thread(threads[i]) && alive;
    if (alive) rest_us(rest);
    for (int i = 0; i < count; i++) ptrace(PTRACE_CONT, threads[i], NULL, NULL);
    if (alive) rest_us(RUN_US);
    return alive;
}

int main(int count, char **arguments) {
    if (count != 5) {
        fprintf(stderr, "usage: slow_thread PID NAME TIMES SECONDS\n");
        return 2;
    }
    long times = atol(arguments[3]);
    double until = seconds_now() + atof(arguments[4]);
    pid_t threads[THREADS_MAX];
    int found = find_threads(arguments[1], arguments[2], threads);
    if (times < 2 || times > TIMES_MAX) {
        fprintf(stderr, "slow_thread: TIMES goes from 2 to %d\n", TIMES_MAX);
        return 2;
    }
    if (found == 0) {
        fprintf(stderr, "slow_thread: process %s has no thread %s\n", arguments[1], arguments[2]);
        return 1;
    }
    struct sigaction action = {.sa_handler = end};
    sigaction(SIGTERM, &action, NULL);
    for (int i = 0; i < found; i++) {
        if (ptrace(PTRACE_SEIZE, threads[i], NULL, NULL) == 0) continue;
        fprintf(stderr, "slow_thread: thread %d may not be traced: %s\n", (int)threads[i], strerror(errno));
        return 1;
    }
    printf("slowing %d threads\n", found);
    fflush(stdout);
    long rest = RUN_US * (times - 1);
    while (!ended && seconds_now() < until)
        if (!slow_once(threads, found, rest)) break;
    return 0;
}
