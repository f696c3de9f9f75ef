/* The ceiling of what one thread with epoll(7) can do: responds to whatever a connection sends with
 * the same bytes, reads no request, logs nothing. For the bench: ceiling PORT FILE, with the
 * response in FILE. */
#include <fcntl.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

int main(int argc, char **argv)
{
    static char response[65536], request[65536];
    if (argc != 3)
        return 2;
    int file = open(argv[2], O_RDONLY), yes = 1;
    ssize_t length = read(file, response, sizeof response);
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_port = htons((unsigned short)atoi(argv[1])),
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int listener = socket(AF_INET, SOCK_STREAM, 0), epoll = epoll_create1(0);
    (void)setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
    struct epoll_event event = {.events = EPOLLIN, .data.fd = listener}, events[256];
    if (length <= 0 || bind(listener, (struct sockaddr *)&address, sizeof address) != 0 ||
        listen(listener, 4096) != 0 || epoll_ctl(epoll, EPOLL_CTL_ADD, listener, &event) != 0)
        return 1;
    for (;;) {
        int count = epoll_wait(epoll, events, 256, -1);
        for (int i = 0; i < count; i++) {
            int socket = events[i].data.fd;
            if (socket == listener) {
                event.data.fd = accept(listener, NULL, NULL);
                (void)epoll_ctl(epoll, EPOLL_CTL_ADD, event.data.fd, &event);
            } else if (recv(socket, request, sizeof request, 0) <= 0 ||
                       send(socket, response, (size_t)length, MSG_NOSIGNAL) != length) {
                (void)close(socket);
            }
        }
    }
}
