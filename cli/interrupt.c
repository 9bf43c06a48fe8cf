#include "cli/interrupt.h"

#include <poll.h>
#include <sys/signalfd.h>
#include <unistd.h>

void interrupt_begin(struct interrupt *interrupt, struct cli *cli)
{
    sigset_t signals;

    (void)sigemptyset(&signals);
    (void)sigaddset(&signals, SIGINT);
    (void)sigaddset(&signals, SIGTERM);
    interrupt->fd = signalfd(-1, &signals, SFD_CLOEXEC | SFD_NONBLOCK);
    if (interrupt->fd < 0) {
        (void)sigprocmask(SIG_SETMASK, NULL, &interrupt->before);
        return; /* a signal ends us where we are */
    }
    (void)sigprocmask(SIG_BLOCK, &signals, &interrupt->before);
    cli->conn.wake = interrupt->fd;
}

bool interrupt_came(const struct interrupt *interrupt)
{
    struct pollfd poll_fd = {.fd = interrupt->fd, .events = POLLIN};

    return poll(&poll_fd, 1, 0) > 0;
}

bool interrupt_wait_read(const struct interrupt *interrupt, int fd)
{
    struct pollfd poll_fds[2] = {{.fd = fd, .events = POLLIN},
                                 {.fd = interrupt->fd, .events = POLLIN}};

    (void)poll(poll_fds, 2, -1);
    return poll_fds[1].revents == 0;
}

void interrupt_end_by(int number)
{
    /* Who starts a program in the background may have told it to ignore the interrupt. */
    (void)signal(number, SIG_DFL);
    (void)raise(number);
}

void interrupt_end(struct interrupt *interrupt, struct cli *cli)
{
    struct signalfd_siginfo info = {0};

    cli->conn.wake = -1;
    if (interrupt->fd >= 0 && read(interrupt->fd, &info, sizeof(info)) != sizeof(info))
        info.ssi_signo = 0;
    if (interrupt->fd >= 0)
        (void)close(interrupt->fd);
    (void)sigprocmask(SIG_SETMASK, &interrupt->before, NULL);
    if (info.ssi_signo != 0)
        interrupt_end_by((int)info.ssi_signo);
}
