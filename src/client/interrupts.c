#include "client/interrupts.h"

#include <sys/signalfd.h>
#include <unistd.h>

#include "base/check.h"

void interrupts_open(struct interrupts *interrupts) {
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGTERM);
    *interrupts = (struct interrupts){0};
    CHECK(sigprocmask(SIG_BLOCK, &set, &interrupts->before) == 0);
    interrupts->fd = signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
    CHECK(interrupts->fd >= 0);
}

unsigned interrupts_count(struct interrupts *interrupts) {
    struct signalfd_siginfo info;
    while (read(interrupts->fd, &info, sizeof info) == (ssize_t)sizeof info) interrupts->count++;
    return interrupts->count;
}

void interrupts_close(struct interrupts *interrupts) {
    close(interrupts->fd);
    CHECK(sigprocmask(SIG_SETMASK, &interrupts->before, NULL) == 0);
}
