#include "base/io_socket.h"

#include "base/io_address.h"

void send_fill(struct send *send, const struct bytes *pieces, size_t count)
{
    size_t used = 0;

    assert(count <= IO_PIECES_MAX);
    send->left = 0;
    for (size_t i = 0; i < count; i++) {
        if (pieces[i].size == 0)
            continue;
        send->pieces[used++] = (struct iovec){(void *)pieces[i].at, pieces[i].size};
        send->left += pieces[i].size;
    }
    send->message = (struct msghdr){.msg_iov = send->pieces, .msg_iovlen = used};
}

void send_skip(struct send *send, size_t count)
{
    struct msghdr *message = &send->message;

    assert(count <= send->left);
    send->left -= count;
    while (count > 0 && count >= message->msg_iov->iov_len) {
        count -= message->msg_iov->iov_len;
        message->msg_iov++;
        message->msg_iovlen--;
    }
    if (count > 0) {
        message->msg_iov->iov_base = (char *)message->msg_iov->iov_base + count;
        message->msg_iov->iov_len -= count;
    }
}

bool socket_peer(int fd, struct io_address *peer)
{
    union address address;
    socklen_t size = sizeof(address);

    if (fd < 0 || getpeername(fd, &address.any, &size) != 0)
        return false;
    address_show(&address, peer);
    return true;
}

void socket_discard_unread(int fd)
{
    for (int i = 0; i < 4; i++)
        if (recv(fd, NULL, 1u << 20, MSG_DONTWAIT | MSG_TRUNC) <= 0)
            return;
}
